// What zod 3 says. Reads a question a line, `body HEX` or `query HEX`, and answers each with a line of JSON:
// {"json":false}, {"data":…} or {"issues":[{code,message,path}]}.

import { readFileSync } from "node:fs";
import { z } from "zod";

const assignable = [
  "ADMIN", "BILLING_MANAGER", "SCHEDULING_MANAGER", "CLINICIAN", "TECHNICIAN", "PATIENT", "CAREGIVER",
  "CLINICAL_ADMIN", "PAYROLL_ADMIN",
];
const roles = [
  "ADMIN", "BILLING_MANAGER", "SCHEDULING_MANAGER", "CLINICIAN", "TECHNICIAN", "PATIENT", "CAREGIVER", "HIPP_ADMIN",
  "HIPP_BILLING_MANAGER", "CLINICAL_ADMIN", "PAYROLL_ADMIN", "CLINICAL_SUPERADMIN",
];

const body = z.object({
  firstName: z.string().trim().min(1).max(100),
  lastName: z.string().trim().min(1).max(100),
  email: z.string().email("Valid email is required").max(254).optional(),
  role: z.enum(assignable).optional(),
  phoneNumber: z.string().max(64).optional(),
  npiNumber: z.string().max(64).optional(),
  shouldSendSMS: z.boolean().optional(),
  recertificationDate: z.string().datetime({ offset: true }).optional(),
  providerPayors: z.array(z.string()).max(100).optional(),
});

const query = z.object({
  page: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional(),
  pageSize: z.coerce.number().int().min(1).max(100).optional(),
  search: z.string().max(200).optional(),
  role: z.enum(roles).optional(),
  email: z.string().optional(),
  sort: z.string().regex(/^(createdAt|updatedAt)_(asc|desc)(,(createdAt|updatedAt)_(asc|desc))*$/).optional(),
});

function judge(schema, value) {
  const { success, data, error } = schema.safeParse(value);
  if (success) return { data };
  return { issues: error.issues.map(({ code, message, path }) => ({ code, message, path: path.map(String) })) };
}

function answer(line) {
  const [kind, hex] = line.split(" ");
  const bytes = Buffer.from(hex ?? "", "hex");
  // As `Request.text()` decodes: a byte order mark at the beginning is no part of it.
  const text = new TextDecoder().decode(bytes);
  if (kind === "query") return judge(query, Object.fromEntries(new URLSearchParams(text)));
  let value;
  try {
    value = bytes.length === 0 ? undefined : JSON.parse(text);
  } catch {
    return { json: false };
  }
  return judge(body, value);
}

// Half a surrogate pair has no UTF-8: it leaves as U+FFFD.
const wellFormed = (_, value) => (typeof value === "string" ? value.toWellFormed() : value);

const lines = readFileSync(0, "utf8").split("\n").filter((line) => line !== "");
process.stdout.write(lines.map((line) => JSON.stringify(answer(line), wellFormed) + "\n").join(""));
