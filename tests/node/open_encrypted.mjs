// Opens an encrypted archive with nothing of milvault: open_encrypted.mjs MODULES ARCHIVE IDENTITY|- FOLDER
//
// Follows formats/v2.md, with the age of the package age-encryption in MODULES and the HKDF and HMAC of node. IDENTITY is a
// file as age-keygen writes it, or - for the passphrase in PASSPHRASE. Writes the archive of version 1 that is in it into
// FOLDER; throws at the first thing that is not as specified.

import assert from "node:assert/strict";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const [modules, archive, identity, folder] = process.argv.slice(2);
const age = createRequire(join(modules, "package.json"))("age-encryption");

function keyIn(text) {
  return text.split("\n").find((line) => line !== "" && !line.startsWith("#")).trim();
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

function stored(path) {
  return readFileSync(join(archive, path));
}

// The key of the archive.
const opener = new age.Decrypter();
if (identity === "-") {
  opener.addPassphrase(process.env.PASSPHRASE);
} else {
  opener.addIdentity(keyIn(readFileSync(identity, "utf8")));
}
const key = keyIn(await opener.decrypt(stored("key.age"), "text"));
const derived = (purpose) =>
  Buffer.from(hkdfSync("sha256", key, "milvault archive format 2", purpose, 32));
const hmac = (purpose, bytes) => createHmac("sha256", derived(purpose)).update(bytes).digest("hex");

// What is told without it.
const json = stored("manifest.json");
const envelope = JSON.parse(json);
assert.equal(envelope.format, 2);
assert.deepEqual(envelope.encryption, { scheme: "age", key: "key.age" });
assert.equal(stored("manifest.sha256").toString(), `${sha256(json)}  manifest.json\n`);
assert.equal(stored("manifest.mac").toString(), `${hmac("manifest", json)}\n`);
const there = readdirSync(join(archive, "objects")).map((name) => `objects/${name}`);
const named = envelope.objects.map((object) => object.path);
assert.deepEqual(named, [...there, "key.age"].sort());
for (const { path, bytes, sha256: hash } of envelope.objects) {
  assert.equal(stored(path).length, bytes);
  assert.equal(sha256(stored(path)), hash);
}

// What is in it.
const decrypter = new age.Decrypter();
decrypter.addIdentity(key);
async function write(path) {
  const place = `objects/${hmac("names of objects", path).slice(0, 32)}.age`;
  const plain = await decrypter.decrypt(stored(place));
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), plain);
  return plain;
}
const plain = await write("manifest.json");
writeFileSync(join(folder, "manifest.sha256"), `${sha256(plain)}  manifest.json\n`);
const manifest = JSON.parse(Buffer.from(plain));
assert.equal(manifest.format, 1);
for (const fact of ["tool", "name", "created"]) {
  assert.deepEqual(envelope[fact], manifest[fact]);
}
const files = manifest.collections.flatMap((collection) => collection.partitions.flatMap((partition) => partition.files));
const sum = (count) => files.reduce((total, file) => total + count(file), 0);
assert.equal(envelope.collections, manifest.collections.length);
assert.equal(envelope.files, files.length);
assert.equal(envelope.rows, sum((file) => file.rows));
assert.equal(envelope.bytes, sum((file) => file.bytes));
for (const file of [...files, ...(manifest.rbac ? [manifest.rbac] : [])]) {
  const plain = await write(file.path);
  assert.equal(plain.length, file.bytes);
  assert.equal(sha256(plain), file.sha256);
}
