// What the npm package says of messages: a line {"secret", "headers", "body"} each, answered "ok" or with what is wrong.

import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

for (const line of readFileSync(0, "utf8").split("\n").filter((line) => line !== "")) {
  const { secret, headers, body } = JSON.parse(line);
  try {
    new Webhook(secret).verify(body, headers);
    console.log("ok");
  } catch (error) {
    console.log(error.message);
  }
}
