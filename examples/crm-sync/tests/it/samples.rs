use std::path::PathBuf;

use crate::support::{Host, said};

#[test]
#[ignore = "needs OMNISYNC_SAMPLES"]
fn the_sample_customers_and_products_end_the_same_in_both_systems() {
    let folder = PathBuf::from(std::env::var_os("OMNISYNC_SAMPLES").unwrap()).join("crm");
    let host = Host::new();
    let arguments = ["run", "--json", "--records", folder.to_str().unwrap()];
    let report: serde_json::Value = serde_json::from_str(&said(&host.output(&arguments))).unwrap();

    assert_eq!(report["converged"], true, "{report}");
    assert_eq!(report["silentlyOverwritten"].as_array().unwrap().len(), 0);
    assert!(report["records"]["Account"].as_u64().unwrap() >= 93);
    assert_eq!(report["records"]["Product"], 77);
}
