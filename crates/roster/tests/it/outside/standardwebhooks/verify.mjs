// Reads cases (a secret, headers, a body) as a JSON array, and prints what standardwebhooks says of each.
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";

const said = JSON.parse(readFileSync(0, "utf8")).map(({ secret, headers, body }) => {
  try {
    new Webhook(secret).verify(body, headers);
    return "verified";
  } catch (error) {
    return error.message;
  }
});
console.log(JSON.stringify(said));
