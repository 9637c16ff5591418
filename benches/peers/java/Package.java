import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Packs order events into two JSON files and a zip, as a service on Java would.
 *
 * <p>Package INPUT OUTPUT: prints one line of results. The events are in memory before the clock
 * starts; the job is done four times.
 */
final class Package {
    private static final int REPETITIONS = 4;
    private static final int LEVEL = 6;

    private Package() {}

    public static void main(String[] arguments) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        List<JsonNode> events = new ArrayList<>();
        for (String line : Files.readAllLines(Paths.get(arguments[0]))) {
            events.add(mapper.readTree(line));
        }
        mapper.enable(SerializationFeature.INDENT_OUTPUT);
        Path target = Paths.get(arguments[1]);
        double first = 0;
        double best = Double.MAX_VALUE;
        for (int repetition = 0; repetition < REPETITIONS; repetition++) {
            long start = System.nanoTime();
            pack(mapper, events, target);
            double seconds = (System.nanoTime() - start) / 1e9;
            if (repetition == 0) {
                first = seconds;
            } else {
                best = Math.min(best, seconds);
            }
        }
        System.out.printf(
                "{\"measure\":\"m1\",\"peer\":\"java\",\"n\":%d,\"wall_s\":%.6f,\"best_s\":%.6f,"
                        + "\"bytes_out\":%d}%n",
                events.size(), first, best, Files.size(target));
    }

    private static void pack(ObjectMapper mapper, List<JsonNode> events, Path target)
            throws IOException {
        List<Map<String, Object>> headers = new ArrayList<>();
        List<Map<String, Object>> lines = new ArrayList<>();
        for (JsonNode event : events) {
            rows(event.get("data"), headers, lines);
        }
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(target));
                ZipOutputStream zip = new ZipOutputStream(out)) {
            zip.setLevel(LEVEL);
            add(mapper, zip, "sales_orders.json", headers);
            add(mapper, zip, "sales_order_lines.json", lines);
        }
    }

    private static void rows(
            JsonNode order, List<Map<String, Object>> headers, List<Map<String, Object>> lines) {
        String number = order.get("orderId").textValue();
        JsonNode address = order.get("shippingAddress");
        Map<String, Object> header = new LinkedHashMap<>();
        header.put("salesOrderNumber", number);
        header.put("customerAccount", order.get("customerId").textValue());
        header.put("requestedDate", order.get("orderDate").textValue());
        header.put("currency", order.get("currency").textValue());
        header.put("total", order.get("totalAmount").doubleValue());
        header.put("deliveryStreet", address.get("street").textValue());
        header.put("deliveryCity", address.get("city").textValue());
        header.put("deliveryState", address.get("state").textValue());
        header.put("deliveryZip", address.get("zip").textValue());
        header.put("deliveryCountry", address.get("country").textValue());
        headers.add(header);
        for (JsonNode item : order.get("lineItems")) {
            int quantity = item.get("quantity").intValue();
            double price = item.get("unitPrice").doubleValue();
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("salesOrderNumber", number);
            line.put("lineNumber", item.get("itemNumber").intValue());
            line.put("itemNumber", item.get("productCode").textValue());
            line.put("quantity", quantity);
            line.put("unitPrice", price);
            line.put("lineAmount", quantity * price);
            lines.add(line);
        }
    }

    private static void add(ObjectMapper mapper, ZipOutputStream zip, String name, Object value)
            throws IOException {
        zip.putNextEntry(new ZipEntry(name));
        zip.write(mapper.writeValueAsBytes(value));
        zip.closeEntry();
    }
}
