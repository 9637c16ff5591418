use super::{assert_golden, dmf, entries, sample_orders, seed, text_of, written};

#[test]
fn a_dmf_package_has_these_bytes() {
    let (bytes, totals) = written(&dmf(), &sample_orders());
    assert_golden("orders-dmf.zip", &bytes);
    assert_eq!(totals.bytes, u64::try_from(bytes.len()).unwrap());
    assert_eq!(totals.sha256, crate::id::Sha256::of(&bytes));
    for (name, content) in entries(&bytes) {
        assert_golden(&format!("dmf/{name}"), &content);
    }
}

#[test]
fn a_seed_package_has_these_bytes() {
    let (bytes, _) = written(&seed(), &sample_orders());
    assert_golden("orders-seed.zip", &bytes);
    for (name, content) in entries(&bytes) {
        assert_golden(&format!("seed/{name}"), &content);
    }
}

#[test]
fn a_dmf_package_holds_these_rows() {
    let (bytes, _) = written(&dmf(), &sample_orders());
    let entries = entries(&bytes);
    let names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Sales order headers V2.csv",
            "Sales order lines V2.csv",
            "Manifest.xml",
            "PackageHeader.xml"
        ]
    );
    let headers = text_of(&entries[0].1);
    assert!(headers.starts_with("SALESORDERNUMBER,ORDERINGCUSTOMERACCOUNTNUMBER,"));
    assert!(headers.contains(
        "ORD-20260314-001,VINET,VINET,USD,2026-03-20,2026-03-20,ORD-20260314-001,Yes,\
         Vins et alcools Chevalier,59 rue de l-Abbaye,Reims,,51100,FRA,1,11\r\n"
    ));
    assert!(headers.contains(
        "\"Zoë \"\"Z\"\" & Sons, <Ltd> 😀\",\"1 Main St\r\nBack door\nleft\",Reims,\" ON \",00123,CAN"
    ));
    let lines = text_of(&entries[1].1);
    // 2.50 × 9.125 × 0.85 = 19.390625
    assert!(lines.contains(",ORD-20260314-002,7,=1+1,2.50,ea,9.125,19.39,2026-03-14,1,11\r\n"));
    assert!(lines.contains(",ORD-20260314-003,1,寿司,3,ea,500,1500,2026-03-20,1,11\r\n"));
}
