// What Microsoft's client for Service Bus sees of the broker of the testkit.
//
// node js/service_bus.mjs CHECK CONNECTION_STRING [ARGUMENT…]
//
// A line {"advance": MS} on standard output asks whoever holds the broker's clock to move it; a line
// on standard input says that it was moved. The last line is the result.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { ServiceBusClient } from "@azure/service-bus";

const [check, connectionString, ...rest] = process.argv.slice(2);
const client = new ServiceBusClient(connectionString, {
  retryOptions: { maxRetries: 0, timeoutInMs: 8_000 },
});
const lines = createInterface({ input: process.stdin });

const queue = "orders";
const short = { maxWaitTimeInMs: 300 };
const receiverOf = (entity, options = {}) =>
  client.createReceiver(entity, { maxAutoLockRenewalDurationInMs: 0, ...options });

async function advance(ms) {
  const moved = once(lines, "line");
  console.log(JSON.stringify({ advance: ms }));
  await moved;
}

async function one(receiver, maxWaitTimeInMs = 5_000) {
  const messages = await receiver.receiveMessages(1, { maxWaitTimeInMs });
  assert.equal(messages.length, 1, "one message comes");
  return messages[0];
}

async function nothing(receiver) {
  const messages = await receiver.receiveMessages(1, short);
  assert.deepEqual(
    messages.map((message) => message.body),
    [],
  );
}

// What is settled while the broker's detach is under way this client never hears the end of.
async function closed(receiver) {
  const deadline = Date.now() + 8_000;
  while (!receiver.isClosed) {
    assert.ok(Date.now() < deadline, "the broker detaches the receiver");
    await setImmediate();
  }
}

async function send(body, options = {}) {
  const sender = client.createSender(options.entity ?? queue);
  delete options.entity;
  await sender.sendMessages({ body, ...options });
  await sender.close();
}

const code = (wanted) => (error) => {
  assert.equal(error.code, wanted, `${error.code}: ${error.message}`);
  return true;
};

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

const checks = {
  async send_and_receive() {
    const sender = client.createSender(queue);
    const receiver = receiverOf(queue);
    const before = Date.now() - 1_000;
    await sender.sendMessages({
      body: { order: "ORD-1", total: 12.5 },
      messageId: "m-1",
      correlationId: "c-1",
      subject: "order.created",
      contentType: "application/json",
      replyTo: "answers",
      to: "orders",
      timeToLive: 60_000,
      applicationProperties: { region: "EU", attempt: 3, rush: true, ratio: 0.5 },
    });
    const message = await one(receiver);
    assert.deepEqual(message.body, { order: "ORD-1", total: 12.5 });
    assert.equal(message.messageId, "m-1");
    assert.equal(message.correlationId, "c-1");
    assert.equal(message.subject, "order.created");
    assert.equal(message.contentType, "application/json");
    assert.equal(message.replyTo, "answers");
    assert.equal(message.to, "orders");
    assert.equal(message.timeToLive, 60_000);
    assert.deepEqual(message.applicationProperties, {
      region: "EU",
      attempt: 3,
      rush: true,
      ratio: 0.5,
    });
    assert.equal(message.deliveryCount, 0);
    assert.equal(message.sequenceNumber.toNumber(), 1);
    assert.equal(message.enqueuedSequenceNumber, 1);
    assert.equal(message.state, "active");
    assert.match(message.lockToken, uuid);
    assert.ok(message.enqueuedTimeUtc.getTime() >= before);
    assert.ok(message.lockedUntilUtc.getTime() > Date.now() + 20_000);
    await receiver.completeMessage(message);
    await nothing(receiver);
  },

  async send_values() {
    // Bodies that are no data: a value and a sequence.
    const sender = client.createSender(queue);
    const receiver = receiverOf(queue);
    const bodies = [
      { bodyType: "value", body: "text" },
      { bodyType: "value", body: { a: [1, "b", null] } },
      { bodyType: "sequence", body: [1, "two", true] },
      { bodyType: "data", body: Buffer.from([0, 1, 2, 255]) },
    ];
    for (const body of bodies) await sender.sendMessages(body);
    for (const { bodyType, body } of bodies) {
      const message = await one(receiver);
      assert.equal(message._rawAmqpMessage.bodyType, bodyType);
      assert.deepEqual(message.body, body);
      await receiver.completeMessage(message);
    }
  },

  async batch_send() {
    const sender = client.createSender(queue);
    const batch = await sender.createMessageBatch();
    assert.ok(batch.maxSizeInBytes >= 200_000, `${batch.maxSizeInBytes}`);
    for (let number = 0; number < 5; number += 1) {
      assert.ok(batch.tryAddMessage({ body: `batch-${number}`, messageId: `b-${number}` }));
    }
    await sender.sendMessages(batch);
    await sender.sendMessages([{ body: "array-0" }, { body: "array-1" }]);
    const receiver = receiverOf(queue, { receiveMode: "receiveAndDelete" });
    const bodies = [];
    while (bodies.length < 7) {
      const messages = await receiver.receiveMessages(10, { maxWaitTimeInMs: 2_000 });
      assert.notEqual(messages.length, 0);
      bodies.push(...messages.map((message) => message.body));
    }
    assert.deepEqual(bodies, [
      ...[0, 1, 2, 3, 4].map((number) => `batch-${number}`),
      "array-0",
      "array-1",
    ]);
  },

  async duplicate_is_dropped() {
    await send("first", { messageId: "same" });
    await send("second", { messageId: "same" });
    const sender = client.createSender(queue);
    await sender.sendMessages([
      { body: "third", messageId: "same" },
      { body: "other", messageId: "other" },
    ]);
    const receiver = receiverOf(queue, { receiveMode: "receiveAndDelete" });
    assert.equal((await one(receiver)).body, "first");
    assert.equal((await one(receiver)).body, "other");
    await nothing(receiver);
    await advance(600_000);
    await send("after the window", { messageId: "same" });
    assert.equal((await one(receiver)).body, "after the window");
  },

  async duplicates_of_an_entity_without_a_window_come() {
    const entity = "no-window";
    await send("first", { entity, messageId: "same" });
    await send("second", { entity, messageId: "same" });
    const receiver = receiverOf(entity, { receiveMode: "receiveAndDelete" });
    assert.equal((await one(receiver)).body, "first");
    assert.equal((await one(receiver)).body, "second");
  },

  async peek_lock_hides_and_complete_removes() {
    await send("hidden");
    const first = receiverOf(queue);
    const second = receiverOf(queue);
    const message = await one(first);
    await nothing(second);
    await first.completeMessage(message);
    await advance(31_000);
    await nothing(second);
    await assert.rejects(first.completeMessage(message));
  },

  async receive_and_delete() {
    await send("gone");
    const receiver = receiverOf(queue, { receiveMode: "receiveAndDelete" });
    const message = await one(receiver);
    assert.equal(message.body, "gone");
    assert.equal(message.lockToken, undefined);
    await advance(60_000);
    await nothing(receiver);
  },

  async renew_keeps_the_lock() {
    await send("long work");
    const receiver = receiverOf(queue);
    const message = await one(receiver);
    const before = message.lockedUntilUtc.getTime();
    await advance(20_000);
    const until = await receiver.renewMessageLock(message);
    assert.ok(until.getTime() - before >= 19_000, `${until.getTime() - before}`);
    await advance(20_000);
    await nothing(receiverOf(queue));
    await receiver.completeMessage(message);
  },

  async abandon_counts_and_changes_properties() {
    await send("again", { applicationProperties: { kept: "yes", changed: "old" } });
    const receiver = receiverOf(queue);
    const first = await one(receiver);
    assert.equal(first.deliveryCount, 0);
    await receiver.abandonMessage(first, { changed: "new", added: 7 });
    const second = await one(receiver);
    assert.equal(second.deliveryCount, 1);
    assert.equal(second.sequenceNumber.toNumber(), first.sequenceNumber.toNumber());
    assert.notEqual(second.lockToken, first.lockToken);
    assert.deepEqual(second.applicationProperties, { kept: "yes", changed: "new", added: 7 });
    await receiver.completeMessage(second);
  },

  async defer_and_receive_deferred() {
    await send("later");
    const receiver = receiverOf(queue);
    const message = await one(receiver);
    const number = message.sequenceNumber;
    await receiver.deferMessage(message, { why: "not yet" });
    await nothing(receiver);
    const [peeked] = await receiver.peekMessages(1, { fromSequenceNumber: number });
    assert.equal(peeked.state, "deferred");
    const [deferred] = await receiver.receiveDeferredMessages(number);
    assert.equal(deferred.body, "later");
    assert.equal(deferred.applicationProperties.why, "not yet");
    assert.match(deferred.lockToken, uuid);
    await assert.rejects(receiver.receiveDeferredMessages(number), code("MessageNotFound"));
    await receiver.abandonMessage(deferred);
    const [again] = await receiver.receiveDeferredMessages([number]);
    await receiver.renewMessageLock(again);
    await receiver.completeMessage(again);
    await assert.rejects(receiver.receiveDeferredMessages(number), code("MessageNotFound"));
  },

  async dead_letter_with_reason() {
    await send("poison", { messageId: "p-1", applicationProperties: { kept: 1 } });
    const receiver = receiverOf(queue);
    await receiver.deadLetterMessage(await one(receiver), {
      deadLetterReason: "ValidationFailure",
      deadLetterErrorDescription: "no lines",
      extra: "more",
    });
    await nothing(receiver);
    const dead = receiverOf(queue, { subQueueType: "deadLetter" });
    const message = await one(dead);
    assert.equal(message.body, "poison");
    assert.equal(message.messageId, "p-1");
    assert.equal(message.deadLetterReason, "ValidationFailure");
    assert.equal(message.deadLetterErrorDescription, "no lines");
    assert.equal(message.deadLetterSource, "orders");
    assert.equal(message.applicationProperties.DeadLetterReason, "ValidationFailure");
    assert.equal(message.applicationProperties.kept, 1);
    assert.equal(message.applicationProperties.extra, "more");
    const [peeked] = await dead.peekMessages(5);
    assert.equal(peeked.body, "poison");
    const until = await dead.renewMessageLock(message);
    assert.ok(until instanceof Date);
    await dead.abandonMessage(message);
    await dead.completeMessage(await one(dead));
    await nothing(dead);
  },

  async dead_letter_queue_takes_nothing_from_outside() {
    const sender = client.createSender(`${queue}/$DeadLetterQueue`);
    await assert.rejects(sender.sendMessages({ body: "no" }));
  },

  async complete_after_the_lock_is_lost() {
    await send("slow");
    const receiver = receiverOf(queue);
    const message = await one(receiver);
    await advance(31_000);
    await assert.rejects(receiver.completeMessage(message), code("MessageLockLost"));
    const again = await one(receiver);
    assert.equal(again.deliveryCount, 1);
    await receiver.completeMessage(again);
    await nothing(receiver);
  },

  async renew_after_the_lock_is_lost() {
    await send("slow");
    const receiver = receiverOf(queue);
    const message = await one(receiver);
    await advance(31_000);
    await assert.rejects(receiver.renewMessageLock(message), code("MessageLockLost"));
  },

  async a_lock_outlives_its_link() {
    await send("kept");
    const first = receiverOf(queue);
    const message = await one(first);
    await first.close();
    const second = receiverOf(queue);
    await nothing(second);
    // The client settles over $management once the link is gone.
    await first.completeMessage(message).catch(() => undefined);
    await advance(31_000);
    const left = await second.receiveMessages(1, short);
    return { left: left.length };
  },

  async a_waiting_receiver_gets_what_is_redelivered() {
    await send("again");
    const first = receiverOf(queue);
    await one(first);
    const second = receiverOf(queue);
    const waiting = one(second);
    await advance(31_000);
    assert.equal((await waiting).deliveryCount, 1);
  },

  async peek() {
    const sender = client.createSender(queue);
    await sender.sendMessages(["a", "b", "c"].map((body) => ({ body })));
    const receiver = receiverOf(queue);
    const locked = await one(receiver);
    const peeked = await receiver.peekMessages(10);
    assert.deepEqual(
      peeked.map((message) => message.body),
      ["a", "b", "c"],
    );
    assert.deepEqual(
      peeked.map((message) => message.sequenceNumber.toNumber()),
      [1, 2, 3],
    );
    // The client goes on from where it was.
    assert.deepEqual(await receiver.peekMessages(10), []);
    await receiver.completeMessage(locked);
    const from = await receiver.peekMessages(1, { fromSequenceNumber: peeked[1].sequenceNumber });
    assert.equal(from[0].body, "b");
    assert.deepEqual(await receiverOf("empty").peekMessages(3), []);
  },

  async schedule_and_cancel() {
    const sender = client.createSender(queue);
    const soon = new Date(Date.now() + 60_000);
    const numbers = await sender.scheduleMessages(
      [{ body: "one" }, { body: "two", messageId: "s-2" }],
      soon,
    );
    assert.equal(numbers.length, 2);
    const receiver = receiverOf(queue);
    await nothing(receiver);
    const [peeked] = await receiver.peekMessages(1);
    assert.equal(peeked.state, "scheduled");
    assert.equal(peeked.scheduledEnqueueTimeUtc.getTime(), soon.getTime());
    await sender.cancelScheduledMessages(numbers[0]);
    await assert.rejects(sender.cancelScheduledMessages(numbers[0]), code("MessageNotFound"));
    // A schedule may also come with the message.
    await sender.sendMessages({ body: "three", scheduledEnqueueTimeUtc: soon });
    await nothing(receiver);
    await advance(61_000);
    const bodies = [(await one(receiver)).body, (await one(receiver)).body];
    assert.deepEqual(bodies.sort(), ["three", "two"]);
    await nothing(receiver);
  },

  async max_deliveries() {
    const entity = "three-times";
    await send("poison", { entity });
    const receiver = receiverOf(entity);
    for (let delivery = 0; delivery < 3; delivery += 1) {
      const message = await one(receiver);
      assert.equal(message.deliveryCount, delivery);
      if (delivery === 1) await advance(31_000);
      else await receiver.abandonMessage(message);
    }
    await nothing(receiver);
    const dead = await one(receiverOf(entity, { subQueueType: "deadLetter" }));
    assert.equal(dead.deadLetterReason, "MaxDeliveryCountExceeded");
    assert.equal(
      dead.deadLetterErrorDescription,
      "Message could not be consumed after 3 delivery attempts.",
    );
    assert.equal(dead.deliveryCount, 3);
  },

  async time_to_live() {
    await send("dropped", { timeToLive: 1_000 });
    await send("buried", { entity: "buries", timeToLive: 1_000 });
    await advance(2_000);
    await nothing(receiverOf(queue));
    await nothing(receiverOf("buries"));
    const dead = await one(receiverOf("buries", { subQueueType: "deadLetter" }));
    assert.equal(dead.deadLetterReason, "TTLExpiredException");
  },

  async topic_fans_out() {
    await send("news", { entity: "events", messageId: "n-1" });
    for (const subscription of ["first", "second"]) {
      const receiver = client.createReceiver("events", subscription, {
        maxAutoLockRenewalDurationInMs: 0,
      });
      const message = await one(receiver);
      assert.equal(message.body, "news");
      if (subscription === "first") await receiver.completeMessage(message);
      else await receiver.deadLetterMessage(message, { deadLetterReason: "Why" });
      await nothing(receiver);
    }
    const dead = client.createReceiver("events", "second", { subQueueType: "deadLetter" });
    assert.equal((await one(dead)).deadLetterReason, "Why");
  },

  async session_by_id() {
    const entity = "sessions";
    await send("other", { entity, sessionId: "two" });
    await send("first", { entity, sessionId: "one" });
    await send("second", { entity, sessionId: "one" });
    const receiver = await client.acceptSession(entity, "one");
    assert.equal(receiver.sessionId, "one");
    assert.ok(receiver.sessionLockedUntilUtc.getTime() > Date.now() + 20_000);
    const messages = [await one(receiver), await one(receiver)];
    assert.deepEqual(
      messages.map((message) => [message.body, message.sessionId]),
      [
        ["first", "one"],
        ["second", "one"],
      ],
    );
    await assert.rejects(client.acceptSession(entity, "one"), code("SessionCannotBeLocked"));
    await receiver.completeMessage(messages[0]);
    await receiver.abandonMessage(messages[1]);
    const again = await one(receiver);
    assert.equal(again.deliveryCount, 1);
    await receiver.completeMessage(again);
    await nothing(receiver);
    await receiver.close();
    await (await client.acceptSession(entity, "one")).close();
  },

  async session_next() {
    const entity = "sessions";
    await send("a", { entity, sessionId: "one" });
    await send("b", { entity, sessionId: "two" });
    const first = await client.acceptNextSession(entity);
    const second = await client.acceptNextSession(entity);
    assert.deepEqual([first.sessionId, second.sessionId], ["one", "two"]);
    assert.equal((await one(second)).body, "b");
    const waiting = client.acceptNextSession(entity);
    await send("c", { entity, sessionId: "three" });
    assert.equal((await waiting).sessionId, "three");
  },

  async session_none_in_time() {
    const impatient = new ServiceBusClient(connectionString, {
      retryOptions: { maxRetries: 0, timeoutInMs: 1_000 },
    });
    const refused = impatient.acceptNextSession("sessions");
    await assert.rejects(refused, (error) =>
      ["ServiceTimeout", "SessionCannotBeLocked"].includes(error.code),
    );
    await impatient.close();
  },

  async session_state_and_renewal() {
    const entity = "sessions";
    await send("work", { entity, sessionId: "one" });
    const receiver = await client.acceptSession(entity, "one", {
      maxAutoLockRenewalDurationInMs: 0,
    });
    assert.equal(await receiver.getSessionState(), null);
    await receiver.setSessionState({ step: 2 });
    assert.deepEqual(await receiver.getSessionState(), { step: 2 });
    const message = await one(receiver);
    const before = receiver.sessionLockedUntilUtc.getTime();
    await advance(20_000);
    const until = await receiver.renewSessionLock();
    assert.ok(until.getTime() - before >= 19_000);
    await advance(20_000);
    await receiver.completeMessage(message);
    const [peeked] = await receiver.peekMessages(1);
    assert.equal(peeked, undefined);
  },

  async session_lock_lost() {
    const entity = "sessions";
    await send("work", { entity, sessionId: "one" });
    const receiver = await client.acceptSession(entity, "one", {
      maxAutoLockRenewalDurationInMs: 0,
    });
    const message = await one(receiver);
    await advance(31_000);
    await closed(receiver);
    await assert.rejects(receiver.completeMessage(message), code("SessionLockLost"));
    await assert.rejects(receiver.renewSessionLock(), code("SessionLockLost"));
    const next = await client.acceptNextSession(entity);
    assert.equal((await one(next)).deliveryCount, 1);
  },

  async session_deferred() {
    const entity = "sessions";
    await send("later", { entity, sessionId: "one" });
    const receiver = await client.acceptSession(entity, "one");
    const message = await one(receiver);
    await receiver.deferMessage(message);
    const [deferred] = await receiver.receiveDeferredMessages(message.sequenceNumber);
    await receiver.deadLetterMessage(deferred, { deadLetterReason: "Deferred" });
    const dead = await one(receiverOf(entity, { subQueueType: "deadLetter" }));
    assert.equal(dead.deadLetterReason, "Deferred");
  },

  async session_rules() {
    await assert.rejects(send("no session", { entity: "sessions" }));
    await assert.rejects(one(receiverOf("sessions")));
    await assert.rejects(client.acceptSession(queue, "one"));
  },

  async large_message() {
    const body = Buffer.alloc(200_000, "large");
    await send(body);
    await send("small");
    const receiver = receiverOf(queue);
    const message = await one(receiver);
    assert.ok(Buffer.from(message.body).equals(body));
    await receiver.completeMessage(message);
    const small = await one(receiver);
    assert.equal(small.body, "small");
    await receiver.completeMessage(small);
  },

  async message_too_large() {
    await assert.rejects(send(Buffer.alloc(400_000)), code("MessageSizeExceeded"));
    // The sender goes on.
    await send("small");
    assert.equal((await one(receiverOf(queue))).body, "small");
  },

  async unknown_entity() {
    await assert.rejects(send("lost", { entity: "nowhere" }), code("MessagingEntityNotFound"));
    await assert.rejects(one(receiverOf("nowhere")), code("MessagingEntityNotFound"));
    await assert.rejects(
      receiverOf("nowhere").peekMessages(1),
      code("MessagingEntityNotFound"),
    );
  },

  async bad_key_is_refused() {
    const [wrong] = rest;
    const stranger = new ServiceBusClient(wrong, {
      retryOptions: { maxRetries: 0, timeoutInMs: 8_000 },
    });
    const sender = stranger.createSender(queue);
    await assert.rejects(sender.sendMessages({ body: "no" }), code("UnauthorizedAccess"));
    await stranger.close();
    // The right key goes on working, for entities and for what manages them.
    await send("yes");
    const receiver = receiverOf(queue);
    const message = await one(receiver);
    await receiver.renewMessageLock(message);
    await receiver.completeMessage(message);
  },

  async busy_server() {
    await assert.rejects(send("refused"), code("ServiceBusy"));
    await send("taken");
    const receiver = receiverOf(queue);
    const message = await one(receiver);
    await assert.rejects(receiver.completeMessage(message), code("ServiceBusy"));
  },

  async subscribe_goes_on_after_the_connection_is_cut() {
    // The usual way to receive: messages come, and the client reconnects by itself.
    const patient = new ServiceBusClient(connectionString, {
      retryOptions: { maxRetries: 5, retryDelayInMs: 50, timeoutInMs: 8_000 },
    });
    const receiver = patient.createReceiver(queue);
    const bodies = [];
    const done = new Promise((resolve, reject) => {
      receiver.subscribe({
        processMessage: async (message) => {
          bodies.push(message.body);
          if (message.body === "last") resolve();
        },
        processError: async () => undefined,
      });
      setTimeout(() => reject(new Error(`only ${bodies}`)), 15_000).unref();
    });
    // The client keeps what it renews by message id.
    await send("first", { messageId: "first" });
    while (bodies.length < 1) await new Promise((resolve) => setTimeout(resolve, 20));
    console.log(JSON.stringify({ cut: true }));
    await once(lines, "line");
    const other = new ServiceBusClient(connectionString);
    await other.createSender(queue).sendMessages({ body: "last", messageId: "last" });
    await done;
    await other.close();
    await patient.close();
  },
};

try {
  assert.ok(checks[check], `there is a check ${check}`);
  const result = await checks[check]();
  console.log(JSON.stringify({ check, ...result }));
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
