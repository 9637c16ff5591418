// What Microsoft's client for Service Bus exchanges with ours over the broker of the testkit.
//
// node js/service_bus_exchange.mjs CHECK CONNECTION_STRING
//
// The last line is the result.

import assert from "node:assert/strict";
import { ServiceBusClient } from "@azure/service-bus";

const [check, connectionString] = process.argv.slice(2);
const client = new ServiceBusClient(connectionString, {
  retryOptions: { maxRetries: 0, timeoutInMs: 8_000 },
});
const queue = "orders";
const receiverOf = (options = {}) =>
  client.createReceiver(queue, { maxAutoLockRenewalDurationInMs: 0, ...options });

async function some(receiver, count) {
  const messages = [];
  while (messages.length < count) {
    const more = await receiver.receiveMessages(count - messages.length, {
      maxWaitTimeInMs: 5_000,
    });
    assert.notEqual(more.length, 0, `${messages.length} of ${count} messages came`);
    messages.push(...more);
  }
  return messages;
}

async function one(receiver) {
  return (await some(receiver, 1))[0];
}

const checks = {
  async send_bodies() {
    const sender = client.createSender(queue);
    await sender.sendMessages({ body: Buffer.from([0, 255, 10]), messageId: "binary" });
    await sender.sendMessages({
      body: { orderId: "ORD-1", total: 12.5 },
      messageId: "json",
      contentType: "application/json",
    });
    await sender.sendMessages({ body: "Zürich", messageId: "string" });
    await sender.sendMessages({ body: null, messageId: "null" });
    await sender.sendMessages({ body: Buffer.alloc(200_000, 7), messageId: "large" });
    await sender.sendMessages({
      bodyType: "value",
      body: "text",
      properties: { messageId: "value" },
    });
    await sender.sendMessages({
      bodyType: "sequence",
      body: [1, "two", null],
      properties: { messageId: "sequence" },
    });
  },

  async send_properties() {
    const sender = client.createSender(queue);
    await sender.sendMessages({
      body: Buffer.from("{}"),
      messageId: "m-1",
      correlationId: "c-1",
      subject: "order.created",
      contentType: "application/json",
      replyTo: "answers",
      to: "orders",
      applicationProperties: {
        Region: "Zürich",
        attempt: 3,
        rush: true,
        ratio: 0.5,
        at: new Date(1_700_000_000_123),
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": "e 1",
        "cloudEvents:source": "/orders",
        "cloudEvents:type": "order.created",
        "Diagnostic-Id": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      },
    });
  },

  async send_batch() {
    const sender = client.createSender(queue);
    const batch = await sender.createMessageBatch();
    for (let number = 0; number < 20; number += 1) {
      assert.ok(batch.tryAddMessage({ body: Buffer.from(`${number}`), messageId: `${number}` }));
    }
    await sender.sendMessages(batch);
  },

  async send_to_session() {
    const sender = client.createSender("sessions");
    await sender.sendMessages([
      { body: Buffer.from("a"), sessionId: "s-1" },
      { body: Buffer.from("b"), sessionId: "s-1" },
    ]);
  },

  async receive() {
    const message = await one(receiverOf());
    assert.deepEqual(message.body, { orderId: "ORD-1" });
    assert.equal(message.messageId, "m-1");
    assert.equal(message.correlationId, "c-1");
    assert.equal(message.contentType, "application/json");
    assert.equal(message.subject, "order.created");
    assert.equal(message.timeToLive, 3_600_000);
    assert.equal(message.deliveryCount, 0);
    assert.deepEqual(message.applicationProperties, { city: "Zürich", empty: "" });
  },

  async receive_bytes() {
    const message = await one(receiverOf({ skipParsingBodyAsJson: true }));
    assert.equal(message.body.length, 200_000);
    assert.ok(message.body.every((byte) => byte === 0xff));
  },

  async receive_batch() {
    const receiver = receiverOf({ skipParsingBodyAsJson: true });
    const messages = await some(receiver, 20);
    assert.deepEqual(
      messages.map((message) => [message.body.toString(), message.messageId]),
      Array.from({ length: 20 }, (_, number) => [`${number}`, `m-${number}`]),
    );
    for (const message of messages) {
      await receiver.completeMessage(message);
    }
  },

  async receive_session() {
    const receiver = await client.acceptSession("sessions", "s-9");
    const message = await one(receiver);
    assert.equal(message.sessionId, "s-9");
    await receiver.completeMessage(message);
  },

  async read_dead_letter() {
    const receiver = receiverOf({ subQueueType: "deadLetter" });
    const message = await one(receiver);
    assert.deepEqual(message.body, { orderId: "ORD-1" });
    assert.equal(message.deadLetterReason, "ValidationFailure");
    assert.equal(message.deadLetterErrorDescription, "/total is not the sum, Zürich");
    await receiver.completeMessage(message);
  },

  async make_dead_letter() {
    const sender = client.createSender(queue);
    await sender.sendMessages({
      body: { orderId: "ORD-1" },
      messageId: "m-1",
      applicationProperties: { city: "Zürich" },
    });
    const receiver = receiverOf();
    await receiver.deadLetterMessage(await one(receiver), {
      deadLetterReason: "NotToday",
      deadLetterErrorDescription: "come again",
    });
  },

  async receive_resubmitted() {
    const message = await one(receiverOf());
    assert.deepEqual(message.body, { orderId: "ORD-1" });
    assert.notEqual(message.messageId, "m-1");
    assert.equal(message.deliveryCount, 0);
    assert.equal(message.deadLetterReason, undefined);
    const { city, ...own } = message.applicationProperties;
    assert.equal(city, "Zürich");
    assert.equal(own["omnisync-original-message-id"], "m-1");
    assert.equal(typeof own["omnisync-original-sequence-number"], "number");
    assert.equal(Object.keys(own).length, 2, JSON.stringify(own));
  },

  async receive_retried() {
    const message = await one(receiverOf());
    assert.deepEqual(message.body, { orderId: "ORD-1" });
    assert.equal(message.subject, "order.created");
    assert.equal(message.applicationProperties["omnisync-attempts"], 1);
    assert.equal(message.applicationProperties["omnisync-original-message-id"], "m-1");
  },

  async abandon_twice() {
    const sender = client.createSender(queue);
    await sender.sendMessages({ body: Buffer.from("a") });
    const receiver = receiverOf();
    for (let times = 0; times < 2; times += 1) {
      await receiver.abandonMessage(await one(receiver));
    }
  },

  async find_nothing() {
    const messages = await receiverOf().receiveMessages(1, { maxWaitTimeInMs: 500 });
    assert.equal(messages.length, 0);
  },

  async lose_a_lock_to_us() {
    const receiver = receiverOf();
    const peeked = await receiver.peekMessages(1);
    assert.equal(peeked.length, 1);
    assert.equal(peeked[0].state, "active");
    const messages = await receiver.receiveMessages(1, { maxWaitTimeInMs: 500 });
    assert.equal(messages.length, 0, "it is locked by another receiver");
  },
};

try {
  await checks[check]();
  await client.close();
  console.log(JSON.stringify({ passed: check }));
  process.exit(0);
} catch (error) {
  console.log(error.stack ?? error);
  process.exit(1);
}
