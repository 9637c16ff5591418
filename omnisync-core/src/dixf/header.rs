//! `PackageHeader.xml`: what kind of package this is.

use super::record::{document, record};

record! {
    /// The package header.
    pub struct PackageHeader as "DataManagementPackageHeader" {
        /// Free text; the name of the data project in exported packages.
        description: String = "Description",
        /// Always [`PackageHeader::MANIFEST_TYPE`] in exported packages.
        manifest_type: String = "ManifestType",
        /// Always [`PackageHeader::PACKAGE_TYPE`] in exported packages.
        package_type: String = "PackageType",
        /// 1 in packages of 2017, 2 in packages of 2026.
        package_version: i32 = "PackageVersion",
    }
}

document!(PackageHeader);

impl PackageHeader {
    /// Name of the file.
    pub const FILE_NAME: &'static str = "PackageHeader.xml";
    /// Type of the manifest that every exported package names.
    pub const MANIFEST_TYPE: &'static str = "Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization.DataManagementPackageManifest";
    /// Type of package that every exported package names.
    pub const PACKAGE_TYPE: &'static str = "DefinitionGroup";
    /// Version of the packages that this crate writes.
    pub const VERSION: i32 = 2;

    /// The header of a new package.
    pub fn new(description: &str) -> Self {
        Self {
            description: description.into(),
            manifest_type: Self::MANIFEST_TYPE.into(),
            package_type: Self::PACKAGE_TYPE.into(),
            package_version: Self::VERSION.into(),
            unknown: Vec::new(),
        }
    }
}
