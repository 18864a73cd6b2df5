// The peer: the same three endpoints on Fastify + zod + Prisma, over the schema that Roster made. Each create is one
// transaction (user, audit entry, message, consent, count), synced before it is answered; its key is looked up for each
// request, as a key may have been revoked.
//
//   PORT=8090 DATABASE=roster.db node app.js
import crypto from "node:crypto";
import { PrismaBetterSqlite3 } from "@prisma/adapter-better-sqlite3";
import { PrismaClient } from "@prisma/client";
import Fastify from "fastify";
import { z } from "zod";

// Its adapter has one connection, so what is set here holds for all that follows.
const adapter = new PrismaBetterSqlite3({ url: `file:${process.env.DATABASE}` });
const db = new PrismaClient({ adapter });
for (const pragma of ["journal_mode = wal", "synchronous = full", "cache_size = -32768"]) {
  await db.$queryRawUnsafe(`pragma ${pragma}`);
}
const [{ synchronous }] = await db.$queryRawUnsafe("pragma synchronous");
if (Number(synchronous) !== 2) throw new Error("it would not be durable");

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

app.addHook("preHandler", async (request, reply) => {
  const token = (request.headers.authorization ?? "").replace(/^bearer /i, "");
  const [, id] = token.split("_");
  const key = await db.apiKey.findFirst({ where: { id: `key_${id}`, revokedAt: null }, include: { organization: true } });
  const hash = crypto.createHash("sha256").update(token).digest();
  if (!key || !crypto.timingSafeEqual(hash, key.hash)) return reply.code(401).send({ error: "Invalid API key" });
  request.key = key.id;
  request.number = key.number;
  request.organization = { publicId: key.organization.id, name: key.organization.name };
});

const random = (n) => Array.from(crypto.randomBytes(n), (b) => "0123456789abcdefghijklmnopqrstuvwxyz"[b % 36]).join("");
// An organization's rows lie together: their numbers begin with its own.
const firstPlace = (organization) => BigInt(organization) << 36n;

app.post("/api/v1/users", async (request, reply) => {
  const parsed = schema.safeParse(request.body);
  if (!parsed.success) {
    const details = parsed.error.issues.map(({ code, message, path }) => ({ code, message, path: path.map(String) }));
    return reply.code(400).send({ error: "Validation error", details });
  }
  const user = parsed.data;
  const organization = request.number;
  const now = Date.now();
  const id = `usr_${Math.floor(now / 1000)}_${random(9)}`;
  const reference = random(16);
  const role = user.role ?? "TECHNICIAN";
  const number = roles.indexOf(role);
  const row = {
    organization, id, firstName: user.firstName, lastName: user.lastName, email: user.email ?? null,
    emailKey: user.email?.toLowerCase() ?? null, role: number, phone: user.phoneNumber ?? null,
    phoneE164: user.phoneNumber ?? null, npi: user.npiNumber ?? null, npiValid: user.npiNumber ? 1 : null,
    sms: user.shouldSendSMS ? 1 : 0, createdAt: BigInt(now),
    recertifyAt: user.recertificationDate ? BigInt(Date.parse(user.recertificationDate)) : null,
    recertifyDay: user.recertificationDate?.slice(0, 10) ?? null,
  };
  try {
    await db.$transaction(async (tx) => {
      const counted = await tx.organization.update({
        where: { number: organization },
        data: { users: { increment: 1 }, audits: { increment: 1 }, latestAt: BigInt(now) },
        select: { users: true, audits: true },
      });
      const first = firstPlace(organization) - 1n;
      await tx.user.create({ data: { ...row, place: first + counted.users }, select: { place: true } });
      await tx.audit.create({
        data: {
          place: first + counted.audits, at: BigInt(now), actor: request.key, action: "user.created", target: id,
          fields: Object.keys(user).join(), request: reference,
        },
        select: { place: true },
      });
      if (user.shouldSendSMS) {
        const message = `msg_${Math.floor(now / 1000)}_${random(9)}`;
        await tx.message.create({
          data: {
            organization, id: message, kind: "sms.welcome", about: id, createdAt: BigInt(now), queue: "sms",
            dueAt: BigInt(now),
          },
          select: { number: true },
        });
        await tx.consent.create({
          data: { organization, userId: id, at: BigInt(now), given: 1, saidBy: request.key, wording: 0, reference },
          select: { given: true },
        });
      }
      await tx.roleCount.upsert({
        where: { organization_role: { organization, role: number } },
        create: { organization, role: number, users: 1 },
        update: { users: { increment: 1 } },
        select: { users: true },
      });
    }, { maxWait: 30_000, timeout: 30_000 });
  } catch (error) {
    if (error.code !== "P2002") throw error;
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

const read = (user) => ({
  publicId: user.id, firstName: user.firstName, lastName: user.lastName, sex: user.sex, caregiverId: user.caregiver,
  role: roles[user.role], birthDate: user.birthDate, addressLine1: user.addressLine1, addressLine2: user.addressLine2,
  city: user.city, state: user.state, postalCode: user.postalCode,
});

app.get("/api/v1/users/:id", async (request, reply) => {
  const user = await db.user.findFirst({
    where: { organization: request.number, id: request.params.id, role: { not: 7 } },
  });
  return user ? read(user) : reply.code(404).send({ error: "Resource not found" });
});

app.get("/api/v1/users", async (request) => {
  const page = Number(request.query.page ?? 1);
  const pageSize = Number(request.query.pageSize ?? 25);
  const organization = request.number;
  const [users, counted] = await Promise.all([
    db.user.findMany({
      where: { place: { gte: firstPlace(organization), lt: firstPlace(organization + 1) }, role: { not: 7 } },
      orderBy: { place: "desc" },
      take: pageSize,
      skip: (page - 1) * pageSize,
    }),
    db.roleCount.aggregate({ where: { organization, role: { not: 7 } }, _sum: { users: true } }),
  ]);
  const totalCount = counted._sum.users ?? 0;
  return {
    data: users.map(read),
    pagination: { page, pageSize, totalCount, totalPages: Math.ceil(totalCount / pageSize) },
  };
});

await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
