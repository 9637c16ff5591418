// What Microsoft's client for Event Grid sends, and what it makes of what others send.
//
// node js/event_grid.mjs CHECK ARGUMENTS...
// The last line of the output is one JSON object; the exit code is 0 when the check passed.

import assert from "node:assert/strict";
import { createPrivateKey, createSign, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  AzureKeyCredential,
  AzureSASCredential,
  EventGridDeserializer,
  EventGridPublisherClient,
  generateSharedAccessSignature,
} from "@azure/eventgrid";

const plain = { allowInsecureConnection: true, retryOptions: { retryDelayInMs: 1 } };

/** The events of every check. The client takes data that is an object or bytes, and nothing else. */
function events() {
  return [
    {
      id: "event-1",
      source: "https://oms.example/orders",
      type: "OMS.Order.Created",
      subject: "orders/ORD-1",
      time: new Date("2026-01-05T06:00:00.000Z"),
      datacontenttype: "application/json",
      dataschema: "https://oms.example/schemas/order",
      data: { orderId: "ORD-1", totalAmount: 12.5, customer: "Zürich ☃" },
      extensionAttributes: {
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        attempt: 3,
        urgent: true,
      },
    },
    {
      id: "event-2",
      source: "https://oms.example/orders",
      type: "OMS.Order.Scanned",
      time: new Date("2026-01-05T06:00:01.000Z"),
      datacontenttype: "application/octet-stream",
      data: new Uint8Array([0, 127, 128, 255]),
    },
    {
      id: "event-3",
      source: "/orders",
      type: "OMS.Order.Cancelled",
      time: new Date("2026-01-05T06:00:02.000Z"),
      datacontenttype: "application/vnd.oms+json",
      data: { orderId: "ORD-1", lines: [], reason: null },
    },
  ];
}

async function publish(endpoint, credential) {
  const client = new EventGridPublisherClient(endpoint, "CloudEvent", credential, plain);
  await client.send(events());
  return { sent: events().length };
}

const checks = {
  key: (endpoint, key) => publish(endpoint, new AzureKeyCredential(key)),

  async sas(endpoint, key, expires) {
    const expiresOn = new Date(expires);
    assert(!Number.isNaN(expiresOn.getTime()));
    const token = await generateSharedAccessSignature(
      endpoint,
      new AzureKeyCredential(key),
      expiresOn,
    );
    await publish(endpoint, new AzureSASCredential(token));
    return { token };
  },

  /** Tokens travel by TLS alone, so the request is told instead of sent. */
  async bearer(endpoint, token) {
    const getToken = async (scopes) => {
      assert.deepEqual([scopes].flat(), ["https://eventgrid.azure.net/.default"]);
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    };
    const sent = [];
    const sendRequest = async (request) => {
      sent.push(request);
      return { request, status: 200, headers: request.headers };
    };
    const options = { ...plain, httpClient: { sendRequest } };
    const client = new EventGridPublisherClient(endpoint, "CloudEvent", { getToken }, options);
    await client.send(events());
    assert.equal(sent.length, 1);
    const { method, url, headers, body } = sent[0];
    const { pathname, search } = new URL(url);
    return { method, target: pathname + search, headers: headers.toJSON(), body: JSON.parse(body) };
  },

  /** A topic that refuses: the client has to say so. */
  async refused(endpoint, key, status) {
    try {
      await publish(endpoint, new AzureKeyCredential(key));
    } catch (error) {
      assert.equal(error.statusCode, Number(status));
      return { code: error.code ?? null };
    }
    return assert.fail("the client took a refusal for success");
  },

  /** Reads a body that another publisher sent: a file. */
  async read(path) {
    const body = readFileSync(path, "utf8");
    const read = await new EventGridDeserializer().deserializeCloudEvents(body);
    const told = read.map((event) => ({
      ...event,
      time: event.time?.toISOString(),
      data: event.data instanceof Uint8Array ? [...event.data] : event.data,
    }));
    return { events: told };
  },

  /** A token as Entra ID signs them, with its published key. */
  jwt(issuer, audience, app, seconds) {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const now = Number(seconds);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { aud: audience, iss: issuer, iat: now, nbf: now, exp: now + 3600, azp: app };
    const signed = `${part({ typ: "JWT", alg: "RS256", kid: "k-1" })}.${part(claims)}`;
    const key = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" }));
    const signature = createSign("RSA-SHA256").update(signed).sign(key).toString("base64url");
    const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k-1", use: "sig" };
    return { token: `${signed}.${signature}`, keys: { keys: [jwk] } };
  },
};

const [check, ...args] = process.argv.slice(2);
try {
  console.log(JSON.stringify(await checks[check](...args)));
} catch (error) {
  console.log(error.stack ?? String(error));
  process.exitCode = 1;
}
