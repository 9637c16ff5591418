// Checks with the official client of Cosmos DB.
// node js/cosmos.mjs <check> <endpoint> <key> <database> <container> <more…>
// Prints one JSON object on its last line and exits 0, or the reason and exits 1.
import assert from "node:assert/strict";
import { CosmosClient } from "@azure/cosmos";

const [check, endpoint, key, database, name, ...more] = process.argv.slice(2);
const client = new CosmosClient({
  endpoint,
  key,
  connectionPolicy: {
    enableEndpointDiscovery: false,
    enableBackgroundEndpointRefreshing: false,
    retryOptions: { maxRetryAttemptCount: 0 },
  },
});
const container = client.database(database).container(name);

const checks = {
  // What a dashboard of the design asks for.
  async dashboard([status]) {
    const parameters = [{ name: "@status", value: status }];
    const filtered = {
      query:
        "SELECT c.orderId, c.processingStatus, c.ingestedAt FROM c " +
        "WHERE c.processingStatus = @status",
      parameters,
    };
    const { resources: orders } = await container.items.query(filtered).fetchAll();
    orders.sort((a, b) => a.ingestedAt.localeCompare(b.ingestedAt));
    const sorted = {
      query: "SELECT * FROM c WHERE c.processingStatus = @status ORDER BY c.ingestedAt DESC",
      parameters,
    };
    const { resources: ordered } = await container.items.query(sorted).fetchAll();
    const { resource: one, statusCode } = await container.item("ORD-1", "ORD-1").read();
    assert.equal(statusCode, 200);
    return { orders, ordered: ordered.map((order) => order.orderId), one };
  },

  // A document in the layout of the store, by somebody who only knows its description.
  async "write-ours"([id]) {
    const { statusCode } = await container.items.create({
      id,
      orderId: id,
      processingStatus: "Pending",
      amount: 19.99,
      omnisync: {
        v: 1,
        collection: "orders",
        state: "Pending",
        dueAt: "2026-03-14T08:00:15.000000000Z",
        kept: { id, orderId: id },
      },
    });
    assert.equal(statusCode, 201);
    return {};
  },

  async "write-foreign"([id]) {
    const { statusCode } = await container.items.create({ id, orderId: id, anything: [1, 2] });
    assert.equal(statusCode, 201);
    return {};
  },

  // Replaces under the tag that the store knows, then once more under the same one.
  async replace([id, tag]) {
    const { resource } = await container.item(id, id).read();
    assert.equal(resource._etag, tag);
    const changed = { ...resource, processingStatus: "Processing" };
    const condition = { accessCondition: { type: "IfMatch", condition: tag } };
    const { resource: replaced } = await container.item(id, id).replace(changed, condition);
    let stale;
    try {
      await container.item(id, id).replace(changed, condition);
    } catch (error) {
      stale = error.code;
    }
    return { etag: replaced._etag, stale };
  },

  // The client checks what it writes, too.
  async "upsert-again"([id]) {
    const { resource } = await container.item(id, id).read();
    const { resource: again, statusCode } = await container.items.upsert(resource);
    assert.equal(statusCode, 200);
    return { ttl: again.ttl };
  },
};

try {
  assert.ok(checks[check], `no check ${check}`);
  const report = await checks[check](more);
  console.log(JSON.stringify(report));
  process.exit(0);
} catch (error) {
  console.log(String(error?.stack ?? error));
  process.exit(1);
}
