using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Reflection;
using System.Text;

/// The package job of the order-pipeline design: lists by LINQ, one string per file, one archive in
/// memory.
///
/// Package INPUT OUTPUT prints one line of results. The events are in memory before the clock
/// starts; the job is done twice. The compiler does not know System.Text.Json, so its methods are
/// looked up by name, once, and called once per file.
public static class Package
{
    private const int Repetitions = 2;

    public sealed class OrderEvent
    {
        public Order Data { get; set; }
    }

    public sealed class Order
    {
        public string OrderId { get; set; }
        public string CustomerId { get; set; }
        public string OrderDate { get; set; }
        public decimal TotalAmount { get; set; }
        public string Currency { get; set; }
        public List<LineItem> LineItems { get; set; }
        public Address ShippingAddress { get; set; }
    }

    public sealed class LineItem
    {
        public int ItemNumber { get; set; }
        public string ProductCode { get; set; }
        public decimal Quantity { get; set; }
        public decimal UnitPrice { get; set; }
    }

    public sealed class Address
    {
        public string Street { get; set; }
        public string City { get; set; }
        public string State { get; set; }
        public string Zip { get; set; }
        public string Country { get; set; }
    }

    public sealed class SalesOrderHeader
    {
        public string SalesOrderNumber { get; set; }
        public string CustomerAccount { get; set; }
        public string RequestedDate { get; set; }
        public string Currency { get; set; }
        public decimal Total { get; set; }
        public string DeliveryStreet { get; set; }
        public string DeliveryCity { get; set; }
        public string DeliveryState { get; set; }
        public string DeliveryZip { get; set; }
        public string DeliveryCountry { get; set; }
    }

    public sealed class SalesOrderLine
    {
        public string SalesOrderNumber { get; set; }
        public int LineNumber { get; set; }
        public string ItemNumber { get; set; }
        public decimal Quantity { get; set; }
        public decimal UnitPrice { get; set; }
        public decimal LineAmount { get; set; }
    }

    /// System.Text.Json, bound by name.
    private sealed class Json
    {
        private readonly object options;
        private readonly MethodInfo serialize;
        private readonly MethodInfo deserialize;

        public Json()
        {
            var assembly = Assembly.Load("System.Text.Json");
            var serializer = assembly.GetType("System.Text.Json.JsonSerializer", true);
            var optionsType = assembly.GetType("System.Text.Json.JsonSerializerOptions", true);
            var naming = assembly.GetType("System.Text.Json.JsonNamingPolicy", true);
            options = Activator.CreateInstance(optionsType);
            optionsType.GetProperty("WriteIndented").SetValue(options, true);
            optionsType.GetProperty("PropertyNamingPolicy")
                .SetValue(options, naming.GetProperty("CamelCase").GetValue(null));
            serialize = serializer.GetMethod(
                "Serialize", new[] { typeof(object), typeof(Type), optionsType });
            deserialize = serializer.GetMethod(
                "Deserialize", new[] { typeof(string), typeof(Type), optionsType });
        }

        public string Serialize(object value)
        {
            return (string)serialize.Invoke(null, new[] { value, value.GetType(), options });
        }

        public T Deserialize<T>(string text)
        {
            return (T)deserialize.Invoke(null, new object[] { text, typeof(T), options });
        }
    }

    public static int Main(string[] arguments)
    {
        var json = new Json();
        var orders = File.ReadLines(arguments[0])
            .Select(line => json.Deserialize<OrderEvent>(line).Data)
            .ToList();
        var times = new List<double>();
        for (var repetition = 0; repetition < Repetitions; repetition++)
        {
            var watch = Stopwatch.StartNew();
            var package = Pack(json, orders);
            File.WriteAllBytes(arguments[1], package);
            times.Add(watch.Elapsed.TotalSeconds);
        }
        Console.WriteLine(string.Format(
            CultureInfo.InvariantCulture,
            "{{\"measure\":\"m1\",\"peer\":\"dotnet8\",\"n\":{0},\"wall_s\":{1:F6},"
                + "\"best_s\":{2:F6},\"bytes_out\":{3}}}",
            orders.Count, times[0], times.Skip(1).Min(), new FileInfo(arguments[1]).Length));
        return 0;
    }

    private static byte[] Pack(Json json, List<Order> orders)
    {
        var headers = orders.Select(MapHeader).ToList();
        var lines = orders.SelectMany(MapLines).ToList();
        using (var memory = new MemoryStream())
        {
            using (var archive = new ZipArchive(memory, ZipArchiveMode.Create, true))
            {
                Add(archive, "sales_orders.json", json.Serialize(headers));
                Add(archive, "sales_order_lines.json", json.Serialize(lines));
            }
            return memory.ToArray();
        }
    }

    private static void Add(ZipArchive archive, string name, string text)
    {
        var entry = archive.CreateEntry(name, CompressionLevel.Optimal);
        using (var writer = new StreamWriter(entry.Open(), Encoding.UTF8))
        {
            writer.Write(text);
        }
    }

    private static SalesOrderHeader MapHeader(Order order)
    {
        return new SalesOrderHeader
        {
            SalesOrderNumber = order.OrderId,
            CustomerAccount = order.CustomerId,
            RequestedDate = order.OrderDate,
            Currency = order.Currency,
            Total = order.TotalAmount,
            DeliveryStreet = order.ShippingAddress.Street,
            DeliveryCity = order.ShippingAddress.City,
            DeliveryState = order.ShippingAddress.State,
            DeliveryZip = order.ShippingAddress.Zip,
            DeliveryCountry = order.ShippingAddress.Country,
        };
    }

    private static IEnumerable<SalesOrderLine> MapLines(Order order)
    {
        return order.LineItems.Select(item => new SalesOrderLine
        {
            SalesOrderNumber = order.OrderId,
            LineNumber = item.ItemNumber,
            ItemNumber = item.ProductCode,
            Quantity = item.Quantity,
            UnitPrice = item.UnitPrice,
            LineAmount = item.Quantity * item.UnitPrice,
        });
    }
}
