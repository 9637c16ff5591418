//! How many checks passed for each service, and against what.

use std::collections::BTreeMap;

use crate::error::Error;

use super::checks::Check;

/// A service, the modules of its checks, and the software of others that took part.
struct Service {
    title: &'static str,
    package: &'static str,
    modules: &'static [&'static str],
    against: &'static [&'static str],
}

const ALL: &[&str] = &["azurite", "azure_data_cosmos_driver"];

const SERVICES: [Service; 5] = [
    Service {
        title: "Blob Storage",
        package: super::CHECKS,
        modules: &["blob"],
        against: &["azurite", "@azure/storage-blob"],
    },
    Service {
        title: "Cosmos DB",
        package: super::CHECKS,
        modules: &["cosmos"],
        against: &["azure_data_cosmos_driver", "@azure/cosmos"],
    },
    Service {
        title: "Event Grid",
        package: super::CHECKS,
        modules: &["event_grid"],
        against: &["@azure/eventgrid"],
    },
    Service {
        title: "Service Bus",
        package: super::CHECKS,
        modules: &["service_bus", "service_bus_official"],
        against: &["@azure/service-bus"],
    },
    Service {
        title: "the order path",
        package: super::HOST.0,
        modules: &["azure"],
        against: ALL,
    },
];

/// Checks that passed, by service.
#[derive(Debug, Default)]
pub(super) struct Summary {
    passed: BTreeMap<&'static str, usize>,
}

impl Summary {
    pub(super) fn add(&mut self, package: &str, check: &Check) -> Result<(), Error> {
        let unproven = |why: &str| Error::Unproven {
            what: format!("{} of {package} {why}", check.name),
        };
        let module = check.name.split("::").next().unwrap_or_default();
        let service = SERVICES
            .iter()
            .find(|service| service.package == package && service.modules.contains(&module))
            .ok_or_else(|| unproven("belongs to no service"))?;
        if !check.passed {
            return Err(unproven("did not run"));
        }
        *self.passed.entry(service.title).or_default() += 1;
        Ok(())
    }

    /// A line a service. A service without checks proves nothing.
    pub(super) fn table(&self, versions: &BTreeMap<String, String>) -> Result<String, Error> {
        let mut lines = vec![format!("{:<16}{:>8}  against", "service", "passed")];
        for service in &SERVICES {
            let passed = self.passed.get(service.title).copied().unwrap_or_default();
            if passed == 0 {
                let what = format!("no check of {} ran", service.title);
                return Err(Error::Unproven { what });
            }
            let mut against = Vec::new();
            for name in service.against {
                let version = versions.get(*name).ok_or_else(|| Error::Unproven {
                    what: format!("the version of {name} is not known"),
                })?;
                against.push(format!("{name} {version}"));
            }
            let against = against.join(", ");
            lines.push(format!("{:<16}{passed:>8}  {against}", service.title));
        }
        let total: usize = self.passed.values().sum();
        lines.push(format!("{:<16}{total:>8}", "total"));
        Ok(lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, passed: bool) -> Check {
        let name = name.to_owned();
        Check { name, passed }
    }

    fn versions() -> BTreeMap<String, String> {
        let names = SERVICES.iter().flat_map(|service| service.against);
        names
            .map(|name| ((*name).to_owned(), "1.2.3".to_owned()))
            .collect()
    }

    #[test]
    fn what_passed_is_counted_by_service() {
        let mut summary = Summary::default();
        for service in &SERVICES {
            for module in service.modules {
                let check = check(&format!("{module}::some::test"), true);
                summary.add(service.package, &check).unwrap();
            }
        }
        let table = summary.table(&versions()).unwrap();
        let line = |title: &str| {
            let mut lines = table.lines();
            lines
                .find(|line| line.starts_with(title))
                .unwrap()
                .to_owned()
        };
        assert!(line("Service Bus").contains(" 2  @azure/service-bus 1.2.3"));
        assert!(line("Cosmos DB").contains(" 1  "));
        assert!(line("total").contains('6'));
    }

    #[test]
    fn what_proves_nothing_is_an_error() {
        let mut summary = Summary::default();
        assert!(summary.table(&versions()).is_err());
        let package = super::super::CHECKS;
        assert!(summary.add(package, &check("blob::get", false)).is_err());
        assert!(summary.add(package, &check("drawer::get", true)).is_err());
        assert!(summary.add("other", &check("blob::get", true)).is_err());
    }
}
