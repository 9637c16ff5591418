// Packs order events into two JSON files and a zip, as a service on Node would.
//
// package.js INPUT OUTPUT: prints one line of results. The events are in memory before the clock
// starts; the job is done twice.
"use strict";
const fs = require("fs");
const { pipeline } = require("stream/promises");
const yazl = require("yazl");

const REPETITIONS = 2;

function rows(events) {
  const headers = [];
  const lines = [];
  for (const { data: order } of events) {
    const address = order.shippingAddress;
    headers.push({
      salesOrderNumber: order.orderId,
      customerAccount: order.customerId,
      requestedDate: order.orderDate,
      currency: order.currency,
      total: order.totalAmount,
      deliveryStreet: address.street,
      deliveryCity: address.city,
      deliveryState: address.state,
      deliveryZip: address.zip,
      deliveryCountry: address.country,
    });
    for (const item of order.lineItems) {
      lines.push({
        salesOrderNumber: order.orderId,
        lineNumber: item.itemNumber,
        itemNumber: item.productCode,
        quantity: item.quantity,
        unitPrice: item.unitPrice,
        lineAmount: item.quantity * item.unitPrice,
      });
    }
  }
  return { headers, lines };
}

async function pack(events, target) {
  const { headers, lines } = rows(events);
  const archive = new yazl.ZipFile();
  const add = (value, name) => archive.addBuffer(Buffer.from(JSON.stringify(value, null, 2)), name);
  add(headers, "sales_orders.json");
  add(lines, "sales_order_lines.json");
  archive.end();
  await pipeline(archive.outputStream, fs.createWriteStream(target));
}

async function main() {
  const [source, target] = process.argv.slice(2);
  const text = fs.readFileSync(source, "utf8").trimEnd();
  const events = text.split("\n").map((line) => JSON.parse(line));
  const times = [];
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const start = process.hrtime.bigint();
    await pack(events, target);
    times.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  const line = {
    measure: "m1",
    peer: "node-yazl",
    n: events.length,
    wall_s: times[0],
    best_s: Math.min(...times.slice(1)),
    bytes_out: fs.statSync(target).size,
  };
  console.log(JSON.stringify(line));
}

main();
