// The peer: create, get, list and PATCH on Fastify + zod + pg, over the schema that Roster made. Each create is one
// transaction (user, audit entry, message, count) in one round trip, with prepared statements; so is each PATCH (user,
// audit entry, counts); its key is looked up for
// each request, as a key may have been revoked.
//
//   PORT=8090 ROSTER_DATABASE=postgres://… node app.js
import crypto from "node:crypto";
import Fastify from "fastify";
import pg from "pg";
import { z } from "zod";

const pool = new pg.Pool({ connectionString: process.env.ROSTER_DATABASE, max: 10 });
const app = Fastify({ logger: false, bodyLimit: 65536 });
const roles = ["ADMIN", "BILLING_MANAGER", "SCHEDULING_MANAGER", "CLINICIAN", "TECHNICIAN", "PATIENT", "CAREGIVER",
  "HIPP_ADMIN", "HIPP_BILLING_MANAGER", "CLINICAL_ADMIN", "PAYROLL_ADMIN", "CLINICAL_SUPERADMIN"];
const schema = z.object({
  firstName: z.string().trim().min(1).max(100),
  lastName: z.string().trim().min(1).max(100),
  email: z.string().email("Valid email is required").max(254).optional(),
  role: z.enum(roles).optional(),
  phoneNumber: z.string().max(64).optional(),
  npiNumber: z.string().max(64).optional(),
  shouldSendSMS: z.boolean().optional(),
  recertificationDate: z.string().datetime({ offset: true }).optional(),
  providerPayors: z.array(z.string()).max(100).optional(),
});

app.addHook("preHandler", async (request, reply) => {
  const token = (request.headers.authorization ?? "").replace(/^bearer /i, "");
  const [, id] = token.split("_");
  const { rows } = await pool.query({
    name: "key",
    text: "select k.hash, k.role, o.id, o.name from api_key k join organization o on o.id = k.organization where k.id = $1 and k.revoked_at is null",
    values: [`key_${id}`],
  });
  const hash = crypto.createHash("sha256").update(token).digest();
  if (!rows[0] || !crypto.timingSafeEqual(hash, rows[0].hash)) return reply.code(401).send({ error: "Invalid API key" });
  request.organization = { publicId: rows[0].id, name: rows[0].name };
});

const random = (n) => Array.from(crypto.randomBytes(n), (b) => "0123456789abcdefghijklmnopqrstuvwxyz"[b % 36]).join("");

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
  const place = (BigInt(now) << 20n) + BigInt(crypto.randomInt(1 << 20));
  const search = [user.firstName, user.lastName, user.email ?? "", ""].join("\n").toLowerCase();
  const digits = (user.phoneNumber ?? "").replace(/\D/g, "");
  const { rows } = await pool.query({
    name: "create",
    text: `with added as (
             insert into users (organization, id, place, first_name, last_name, email, email_key, bucket, phone, phone_digits,
                                npi, sms, search)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict do nothing returning id
           ), remembered as (
             insert into audit (organization, place, lane, actor, action, target, fields, request)
             select $1, $3, $14, $15, 'user.created', id, $16, $17 from added returning 1
           ), owing as (
             insert into outbox (organization, id, place, kind, about, queue, due_at)
             select $1, $18, $3, 'sms.welcome', id, 'sms', $19 from added where $12 returning 1
           ), consented as (
             insert into sms_consent (organization, user_id, at, given, said_by, wording, reference)
             select $1, id, $19, true, $15, 0, $17 from added where $12 returning 1
           ), counted as (
             insert into role_count (organization, bucket, lane, users) select $1, $8, $14, 1 from added
             on conflict (organization, bucket, lane) do update set users = role_count.users + 1 returning 1
           ) select id from added`,
    values: [request.organization.publicId, id, place.toString(), user.firstName, user.lastName, user.email ?? null,
      user.email?.toLowerCase() ?? null, roles.indexOf(role), user.phoneNumber ?? null, digits, user.npiNumber ?? null,
      user.shouldSendSMS ?? false, search, crypto.randomInt(64), "key_000000000000",
      "firstName,lastName,role,shouldSendSMS,email", random(16), `msg_${random(12)}`, now],
  });
  if (!rows[0]) {
    const details = [{ code: "custom", message: "Email is already in use", path: ["email"] }];
    return reply.code(400).send({ error: "Validation error", details });
  }
  return {
    message: "User created successfully",
    user: {
      publicId: id, firstName: user.firstName, lastName: user.lastName, email: user.email ?? null, role,
      phoneNumber: user.phoneNumber ?? null, npiNumber: user.npiNumber ?? null, shouldSendSMS: user.shouldSendSMS ?? false,
      createdAt: new Date(now).toISOString(), organization: request.organization,
    },
  };
});

const changes = schema.pick({ firstName: true, lastName: true, email: true, phoneNumber: true }).partial();

app.patch("/api/v1/users/:id", async (request, reply) => {
  const parsed = changes.safeParse(request.body);
  if (!parsed.success) {
    const details = parsed.error.issues.map(({ code, message, path }) => ({ code, message, path: path.map(String) }));
    return reply.code(400).send({ error: "Validation error", details });
  }
  const user = parsed.data;
  const now = Date.now();
  const place = (BigInt(now) << 20n) + BigInt(crypto.randomInt(1 << 20));
  try {
    const { rows } = await pool.query({
      name: "patch",
      text: `with before as (
               select id, bucket from users where organization = $1 and id = $2 and bucket <> 7 for update
             ), changed as (
               update users u set first_name = coalesce($3, first_name), last_name = coalesce($4, last_name),
                 email = coalesce($5, email), email_key = coalesce(lower($5), email_key), phone = coalesce($6, phone),
                 search = lower(concat_ws(E'\\n', coalesce($3, first_name), coalesce($4, last_name), coalesce($5, email), '')),
                 bucket = u.bucket | 32, version = version + 1, updated = $7
               from before where u.organization = $1 and u.id = before.id returning u.*
             ), remembered as (
               insert into audit (organization, place, lane, actor, action, target, fields, request)
               select $1, $7, $8, $9, 'user.updated', id, $10, $11 from changed returning 1
             ), left_behind as (
               update role_count c set users = c.users - 1 from before where c.organization = $1
                 and c.bucket = before.bucket and before.bucket < 32 and c.lane = (select min(lane) from role_count
                 where organization = $1 and bucket = before.bucket) returning 1
             ), joined as (
               insert into role_count (organization, bucket, lane, users)
               select $1, bucket | 32, $8, 1 from before where bucket < 32
               on conflict (organization, bucket, lane) do update set users = role_count.users + 1 returning 1
             ) select * from changed`,
      values: [request.organization.publicId, request.params.id, user.firstName ?? null, user.lastName ?? null,
        user.email ?? null, user.phoneNumber ?? null, place.toString(), crypto.randomInt(64), "key_000000000000",
        Object.keys(user).join(","), random(16)],
    });
    return rows[0] ? read(rows[0]) : reply.code(404).send({ error: "Resource not found" });
  } catch (error) {
    if (error.code !== "23505") throw error;
    const details = [{ code: "custom", message: "Email is already in use", path: ["email"] }];
    return reply.code(400).send({ error: "Validation error", details });
  }
});

const read = (row) => ({
  publicId: row.id, firstName: row.first_name, lastName: row.last_name, sex: row.sex, caregiverId: row.caregiver,
  role: roles[row.bucket & 15], birthDate: row.birth_date, addressLine1: row.address_line1, addressLine2: row.address_line2,
  city: row.city, state: row.state, postalCode: row.postal_code,
});

app.get("/api/v1/users/:id", async (request, reply) => {
  const { rows } = await pool.query({
    name: "get",
    text: "select * from users where organization = $1 and id = $2 and bucket <> 7",
    values: [request.organization.publicId, request.params.id],
  });
  return rows[0] ? read(rows[0]) : reply.code(404).send({ error: "Resource not found" });
});

app.get("/api/v1/users", async (request) => {
  const page = Number(request.query.page ?? 1);
  const pageSize = Number(request.query.pageSize ?? 25);
  const [users, count] = await Promise.all([
    pool.query({
      name: "list",
      text: "select * from users where organization = $1 and bucket <> 7 order by place desc, id desc limit $2 offset $3",
      values: [request.organization.publicId, pageSize, (page - 1) * pageSize],
    }),
    pool.query({
      name: "count",
      text: "select coalesce(sum(users), 0)::int as total from role_count where organization = $1 and bucket <> 7",
      values: [request.organization.publicId],
    }),
  ]);
  const totalCount = count.rows[0].total;
  return {
    data: users.rows.map(read),
    pagination: { page, pageSize, totalCount, totalPages: Math.ceil(totalCount / pageSize) },
  };
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
