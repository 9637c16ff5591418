use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a count depends on besides the code. Valgrind shows programs a processor of its own, the
/// same on every machine with AVX2, so that of the machine is not among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tools {
    rustc: String,
    target: String,
    /// Allocates and copies memory.
    libc: String,
    valgrind: String,
}

impl Tools {
    /// Those of this machine, or `None` where it has no valgrind.
    pub(super) fn here() -> Result<Option<Self>, Error> {
        let valgrind = match output("valgrind".as_ref(), &["--version"]) {
            Ok(text) => text,
            Err(Error::Start { source, .. }) if source.kind() == ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let rustc = output("rustc".as_ref(), &["-vV"])?;
        let field = |name: &str| {
            let value = rustc.lines().find_map(|line| line.strip_prefix(name));
            value.unwrap_or_default().trim().to_owned()
        };
        // Only glibc answers; that another libc stays unnamed is difference enough.
        let libc = output("getconf".as_ref(), &["GNU_LIBC_VERSION"]).unwrap_or_default();
        Ok(Some(Self {
            rustc: field("release:"),
            target: field("host:"),
            libc: libc.trim().to_owned(),
            valgrind: valgrind.trim().to_owned(),
        }))
    }

    /// What is another in `here`, for people.
    pub(super) fn difference(&self, here: &Self) -> Option<String> {
        let pairs = [
            ("rustc", &self.rustc, &here.rustc),
            ("target", &self.target, &here.target),
            ("libc", &self.libc, &here.libc),
            ("valgrind", &self.valgrind, &here.valgrind),
        ];
        let others = pairs.iter().filter(|(_, recorded, here)| recorded != here);
        let texts: Vec<String> = others
            .map(|(name, recorded, here)| format!("{name} was {recorded:?} and is {here:?}"))
            .collect();
        (!texts.is_empty()).then(|| texts.join(", "))
    }
}

/// What a program prints.
pub(super) fn output(program: &Path, arguments: &[&str]) -> Result<String, Error> {
    let command = || format!("{} {}", program.display(), arguments.join(" "));
    let output = Command::new(program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Error::Start {
            command: command(),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Error::Failed {
            command: command(),
            status: output.status,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Tools that are the same but for the compiler.
    pub(in super::super) fn tools(rustc: &str) -> Tools {
        Tools {
            rustc: rustc.to_owned(),
            target: "x86_64-unknown-linux-gnu".to_owned(),
            libc: "glibc 2.36".to_owned(),
            valgrind: "valgrind-3.19.0".to_owned(),
        }
    }

    #[test]
    fn the_same_tools_differ_in_nothing() {
        assert_eq!(tools("1.95.0").difference(&tools("1.95.0")), None);
    }

    #[test]
    fn another_compiler_is_told() {
        assert_eq!(
            tools("1.95.0").difference(&tools("1.96.0")).as_deref(),
            Some(r#"rustc was "1.95.0" and is "1.96.0""#)
        );
    }
}
