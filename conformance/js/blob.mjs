// What Microsoft's client for Blob Storage sees of a stage, and does behind its back.
//
// node js/blob.mjs CHECK ENDPOINT CONTAINER [ARGUMENT…]

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  BlobClient,
  BlobServiceClient,
  ContainerSASPermissions,
  StorageSharedKeyCredential,
  generateBlobSASQueryParameters,
} from "@azure/storage-blob";

const [check, endpoint, container, ...rest] = process.argv.slice(2);
const account = "devstoreaccount1";
// The key of every emulator, published by its vendor.
const key =
  "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const credential = new StorageSharedKeyCredential(account, key);
const service = new BlobServiceClient(endpoint, credential, { retryOptions: { maxTries: 1 } });
const folder = service.getContainerClient(container);

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

const checks = {
  // A signature for the container, from and until so many minutes from now.
  async sas(permissions, from, until) {
    const at = (minutes) => new Date(Date.now() + Number(minutes) * 60_000);
    const query = generateBlobSASQueryParameters(
      {
        containerName: container,
        permissions: ContainerSASPermissions.parse(permissions),
        startsOn: at(from),
        expiresOn: at(until),
      },
      credential,
    );
    return { sas: query.toString() };
  },

  // Other content of the same length under the same name, with everything else as it was.
  async alter(name) {
    const blob = folder.getBlockBlobClient(name);
    const { metadata, contentType } = await blob.getProperties();
    const bytes = await blob.downloadToBuffer();
    assert.ok(bytes.length > 0);
    bytes[bytes.length - 1] ^= 0xff;
    await blob.upload(bytes, bytes.length, {
      metadata,
      blobHTTPHeaders: { blobContentType: contentType },
    });
    return { bytes: bytes.length };
  },

  // A blob that no stage wrote.
  async foreign(name) {
    const content = "not by a stage";
    await folder.getBlockBlobClient(name).upload(content, content.length);
    return { bytes: content.length };
  },

  // What a stage wrote, as this client reads it.
  async read(name, wantSha256, wantBytes, wantBlocks) {
    const blob = folder.getBlockBlobClient(name);
    const properties = await blob.getProperties();
    assert.equal(properties.blobType, "BlockBlob");
    assert.equal(properties.contentLength, Number(wantBytes));
    assert.equal(properties.contentType, "application/zip");
    assert.equal(properties.metadata.omnisyncsha256, wantSha256);
    assert.equal(properties.metadata.omnisyncbytes, wantBytes);
    assert.match(properties.metadata.omnisyncput, /^[0-9a-f]{32}$/);
    const bytes = await blob.downloadToBuffer();
    assert.equal(bytes.length, Number(wantBytes));
    assert.equal(sha256(bytes), wantSha256);
    const { committedBlocks = [], uncommittedBlocks = [] } = await blob.getBlockList("all");
    assert.equal(committedBlocks.length, Number(wantBlocks));
    assert.equal(uncommittedBlocks.length, 0);
    return { sha256: sha256(bytes), metadata: properties.metadata };
  },

  // The names of the container, and of blobs that have nothing but blocks.
  async names() {
    const names = [];
    for await (const blob of folder.listBlobsFlat()) {
      names.push(blob.name);
    }
    const unfinished = [];
    for await (const blob of folder.listBlobsFlat({ includeUncommitedBlobs: true })) {
      if (!names.includes(blob.name)) {
        unfinished.push(blob.name);
      }
    }
    return { names, unfinished };
  },

  // A blob as whoever has its signed URL reads it.
  async open(url, wantSha256) {
    const bytes = await new BlobClient(url).downloadToBuffer();
    assert.equal(sha256(bytes), wantSha256);
    const answer = await fetch(url);
    assert.equal(answer.status, 200);
    assert.equal(sha256(Buffer.from(await answer.arrayBuffer())), wantSha256);
    const written = await fetch(url, {
      method: "PUT",
      headers: { "x-ms-blob-type": "BlockBlob" },
      body: "other",
    });
    assert.equal(written.status, 403);
    return { bytes: bytes.length };
  },
};

try {
  assert.ok(check in checks, `there is no check ${check}`);
  console.log(JSON.stringify(await checks[check](...rest)));
} catch (error) {
  console.log(`${check}: ${error.message}`);
  process.exit(1);
}
