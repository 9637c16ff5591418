//! Azurite, Microsoft's emulator of Blob Storage, as a process that ends with this one.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use crate::node;

/// The account that every Azurite has.
pub const ACCOUNT: &str = "devstoreaccount1";
/// The account's key, which is public.
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// What Azurite prints before the address that it listens on.
const LISTENS: &str = "successfully listens on ";

/// How Azurite is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Over http, by account key or SAS.
    Plain,
    /// Over https with a certificate of its own, by account key, SAS or token. Signatures of
    /// tokens are not checked; issuer, audience and times are.
    TlsAndTokens,
}

/// A running Azurite that keeps everything in memory.
#[derive(Debug)]
pub struct Azurite {
    endpoint: String,
    certificate: Option<PathBuf>,
    child: Child,
    /// The process ends when this pipe does, so that it cannot outlive us in any way.
    stdin: Option<ChildStdin>,
    /// Certificate and key.
    _folder: TempDir,
}

impl Azurite {
    /// Starts a process on a free loopback port.
    ///
    /// # Errors
    /// When the packages are not installed, or the process does not come up.
    pub fn start(access: Access) -> io::Result<Self> {
        let mut command = node::script("azurite.mjs")?;
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0"]);
        command.args(["--inMemoryPersistence", "--disableTelemetry"]);
        // Clients may be newer than this Azurite.
        command.arg("--skipApiVersionCheck");
        let mut certificate = None;
        let folder = tempfile::tempdir()?;
        if access == Access::TlsAndTokens {
            certificate = Some(certify(&mut command, folder.path())?);
        }
        let (child, stdin, address) = spawn(command)?;
        Ok(Self {
            endpoint: format!("{address}/{ACCOUNT}"),
            certificate,
            child,
            stdin,
            _folder: folder,
        })
    }

    /// The Azurite that the tests of this process share.
    ///
    /// # Errors
    /// As [`start`](Self::start); the same error every time.
    pub fn shared(access: Access) -> io::Result<&'static Self> {
        static PLAIN: OnceLock<io::Result<Azurite>> = OnceLock::new();
        static TLS: OnceLock<io::Result<Azurite>> = OnceLock::new();
        let cell = match access {
            Access::Plain => &PLAIN,
            Access::TlsAndTokens => &TLS,
        };
        cell.get_or_init(|| Self::start(access))
            .as_ref()
            .map_err(|error| io::Error::new(error.kind(), error.to_string()))
    }

    /// The URL of the account, without a slash at its end.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The file with the certificate to trust.
    pub fn certificate(&self) -> Option<&Path> {
        self.certificate.as_deref()
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It ends by itself; whether it already has makes no difference.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Gives the process a certificate for the loopback address, and says where it is.
fn certify(command: &mut Command, folder: &Path) -> io::Result<PathBuf> {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(names).map_err(io::Error::other)?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, cert.pem())?;
    std::fs::write(&key, signing_key.serialize_pem())?;
    command.arg("--cert").arg(&certificate);
    command.arg("--key").arg(key).args(["--oauth", "basic"]);
    Ok(certificate)
}

/// Starts the process and waits for the address that it listens on.
fn spawn(mut command: Command) -> io::Result<(Child, Option<ChildStdin>, String)> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().map(BufReader::new);
    let mut lines = stdout
        .ok_or_else(|| io::Error::other("Azurite has no standard output"))?
        .lines();
    let mut said = Vec::new();
    while let Some(Ok(line)) = lines.next() {
        if let Some((_, address)) = line.split_once(LISTENS) {
            let address = address.trim().to_owned();
            // It goes on printing a line per request; nobody would read a full pipe.
            thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return Ok((child, stdin, address));
        }
        said.push(line);
    }
    drop(child.kill());
    drop(child.wait());
    let said = said.join(" / ");
    Err(io::Error::other(format!("Azurite did not start: {said}")))
}
