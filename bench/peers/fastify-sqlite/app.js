// The peer: the same three endpoints on Fastify + zod + better-sqlite3, over the schema that Roster made. Each create is
// one transaction (user, audit entry, message, consent, count), synced before it is answered; its key is looked up for
// each request, as a key may have been revoked.
//
//   PORT=8090 DATABASE=roster.db node app.js
import crypto from "node:crypto";
import Database from "better-sqlite3";
import Fastify from "fastify";
import { z } from "zod";

const db = new Database(process.env.DATABASE);
db.pragma("journal_mode = wal");
db.pragma("synchronous = full");
db.pragma("busy_timeout = 5000");
db.pragma("cache_size = -32768");

const app = Fastify({ logger: false, bodyLimit: 65536 });
const roles = ["ADMIN", "BILLING_MANAGER", "SCHEDULING_MANAGER", "CLINICIAN", "TECHNICIAN", "PATIENT", "CAREGIVER",
  "HIPP_ADMIN", "HIPP_BILLING_MANAGER", "CLINICAL_ADMIN", "PAYROLL_ADMIN", "CLINICAL_SUPERADMIN"];
const schema = z.object({
  firstName: z.string().trim().min(1).max(100),
  lastName: z.string().trim().min(1).max(100),
  email: z.email("Valid email is required").max(254).optional(),
  role: z.enum(roles).optional(),
  phoneNumber: z.string().max(64).optional(),
  npiNumber: z.string().max(64).optional(),
  shouldSendSMS: z.boolean().optional(),
  recertificationDate: z.iso.datetime({ offset: true }).optional(),
  providerPayors: z.array(z.string()).max(100).optional(),
});

const findKey = db.prepare(`select k.hash, o.number, o.id, o.name from api_key k
  join organization o on o.number = k.organization where k.id = ? and k.revoked_at is null`);

app.addHook("preHandler", async (request, reply) => {
  const token = (request.headers.authorization ?? "").replace(/^bearer /i, "");
  const [, id] = token.split("_");
  const row = findKey.get(`key_${id}`);
  const hash = crypto.createHash("sha256").update(token).digest();
  if (!row || !crypto.timingSafeEqual(hash, row.hash)) return reply.code(401).send({ error: "Invalid API key" });
  request.number = row.number;
  request.key = `key_${id}`;
  request.organization = { publicId: row.id, name: row.name };
});

const random = (n) => Array.from(crypto.randomBytes(n), (b) => "0123456789abcdefghijklmnopqrstuvwxyz"[b % 36]).join("");
// An organization's rows lie together: their numbers begin with its own.
const firstPlace = (organization) => organization * 2 ** 36;

const counted = db.prepare(`update organization set users = users + 1, audits = audits + 1, latest_at = max(latest_at, ?)
  where number = ? returning users - 1 as user, audits - 1 as audit`);
const insertUser = db.prepare(`insert into users (place, organization, id, first_name, last_name, email, email_key, bucket,
  phone, phone_e164, npi, npi_valid, sms, recertify_at, recertify_day, created_at)
  values (@place, @organization, @id, @firstName, @lastName, @email, @emailKey, @role, @phone, @phone, @npi, @npiValid,
  @sms, @recertifyAt, @recertifyDay, @now)`);
const insertAudit = db.prepare(`insert into audit (place, at, actor, action, target, fields, request)
  values (?, ?, ?, 'user.created', ?, ?, ?)`);
const insertMessage = db.prepare(`insert into outbox (organization, id, kind, about, created_at, queue, due_at)
  values (@organization, @message, 'sms.welcome', @id, @now, 'sms', @now)`);
const insertConsent = db.prepare(`insert into sms_consent (organization, user_id, at, given, said_by, wording, reference)
  values (?, ?, ?, 1, ?, 0, ?)`);
const countRole = db.prepare(`insert into role_count (organization, bucket, users) values (?, ?, 1)
  on conflict do update set users = users + 1`);

const create = db.transaction((organization, key, user, fields) => {
  const place = counted.get(user.now, organization);
  insertUser.run({ ...user, organization, place: firstPlace(organization) + place.user });
  const request = random(16);
  insertAudit.run(firstPlace(organization) + place.audit, user.now, key, user.id, fields, request);
  if (user.sms) {
    const message = `msg_${Math.floor(user.now / 1000)}_${random(9)}`;
    insertMessage.run({ organization, message, id: user.id, now: user.now });
    insertConsent.run(organization, user.id, user.now, key, request);
  }
  countRole.run(organization, user.role);
});

app.post("/api/v1/users", async (request, reply) => {
  const parsed = schema.safeParse(request.body);
  if (!parsed.success) {
    const details = parsed.error.issues.map(({ code, message, path }) => ({ code, message, path: path.map(String) }));
    return reply.code(400).send({ error: "Validation error", details });
  }
  const user = parsed.data;
  const now = Date.now();
  const id = `usr_${Math.floor(now / 1000)}_${random(9)}`;
  const role = user.role ?? "TECHNICIAN";
  const row = {
    id, firstName: user.firstName, lastName: user.lastName, email: user.email ?? null,
    emailKey: user.email?.toLowerCase() ?? null, role: roles.indexOf(role), phone: user.phoneNumber ?? null,
    npi: user.npiNumber ?? null, npiValid: user.npiNumber ? 1 : null, sms: user.shouldSendSMS ? 1 : 0,
    recertifyAt: user.recertificationDate ? Date.parse(user.recertificationDate) : null,
    recertifyDay: user.recertificationDate?.slice(0, 10) ?? null, now,
  };
  try {
    create.immediate(request.number, request.key, row, Object.keys(user).join());
  } catch (error) {
    if (error.code !== "SQLITE_CONSTRAINT_UNIQUE") throw error;
    const details = [{ code: "custom", message: "Email is already in use", path: ["email"] }];
    return reply.code(400).send({ error: "Validation error", details });
  }
  return {
    message: "User created successfully",
    user: {
      publicId: id, firstName: user.firstName, lastName: user.lastName, email: row.email, role,
      phoneNumber: row.phone, npiNumber: row.npi, shouldSendSMS: user.shouldSendSMS ?? false,
      createdAt: new Date(now).toISOString(), organization: request.organization,
    },
  };
});

const read = (row) => ({
  publicId: row.id, firstName: row.first_name, lastName: row.last_name, sex: row.sex, caregiverId: row.caregiver,
  role: roles[row.bucket], birthDate: row.birth_date, addressLine1: row.address_line1, addressLine2: row.address_line2,
  city: row.city, state: row.state, postalCode: row.postal_code,
});

const findUser = db.prepare("select * from users where organization = ? and id = ? and bucket <> 7");

app.get("/api/v1/users/:id", async (request, reply) => {
  const row = findUser.get(request.number, request.params.id);
  return row ? read(row) : reply.code(404).send({ error: "Resource not found" });
});

const listUsers = db.prepare(`select * from users where place >= ? and place < ? and bucket <> 7
  order by place desc limit ? offset ?`);
const countUsers = db.prepare(`select coalesce(sum(users), 0) from role_count where organization = ? and bucket <> 7`).pluck();

app.get("/api/v1/users", async (request) => {
  const page = Number(request.query.page ?? 1);
  const pageSize = Number(request.query.pageSize ?? 25);
  const { number } = request;
  const users = listUsers.all(firstPlace(number), firstPlace(number + 1), pageSize, (page - 1) * pageSize);
  const totalCount = countUsers.get(number);
  return {
    data: users.map(read),
    pagination: { page, pageSize, totalCount, totalPages: Math.ceil(totalCount / pageSize) },
  };
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
