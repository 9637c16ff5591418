"""Packs order events into two JSON files and a zip, as a script would.

package.py orjson|json INPUT OUTPUT: prints one line of results. The events are in memory before
the clock starts; the job is done twice.
"""

import json
import sys
import time
import zipfile

REPETITIONS = 2
LEVEL = 6


def rows(events):
    headers, lines = [], []
    for event in events:
        order = event["data"]
        address = order["shippingAddress"]
        number = order["orderId"]
        headers.append(
            {
                "salesOrderNumber": number,
                "customerAccount": order["customerId"],
                "requestedDate": order["orderDate"],
                "currency": order["currency"],
                "total": order["totalAmount"],
                "deliveryStreet": address["street"],
                "deliveryCity": address["city"],
                "deliveryState": address["state"],
                "deliveryZip": address["zip"],
                "deliveryCountry": address["country"],
            }
        )
        for item in order["lineItems"]:
            lines.append(
                {
                    "salesOrderNumber": number,
                    "lineNumber": item["itemNumber"],
                    "itemNumber": item["productCode"],
                    "quantity": item["quantity"],
                    "unitPrice": item["unitPrice"],
                    "lineAmount": item["quantity"] * item["unitPrice"],
                }
            )
    return headers, lines


def main():
    library, source, target = sys.argv[1:]
    if library == "orjson":
        import orjson

        encode = lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2)
        decode = orjson.loads
    else:
        encode = lambda value: json.dumps(value, indent=2)
        decode = json.loads
    with open(source, "rb") as file:
        events = [decode(line) for line in file]
    times = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        headers, lines = rows(events)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
            archive.writestr("sales_orders.json", encode(headers))
            archive.writestr("sales_order_lines.json", encode(lines))
        times.append(time.perf_counter() - start)
    with open(target, "rb") as file:
        size = file.seek(0, 2)
    print(
        json.dumps(
            {
                "measure": "m1",
                "peer": f"python-{library}",
                "n": len(events),
                "wall_s": times[0],
                "best_s": min(times[1:]),
                "bytes_out": size,
            }
        )
    )


main()
