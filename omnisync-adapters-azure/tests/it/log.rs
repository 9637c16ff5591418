//! What a test logs.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// What this thread logs, of every level, until the end.
pub(crate) struct Log {
    written: Written,
    _default: DefaultGuard,
    /// With one subscriber alone, what is enabled is decided by whichever test logs first.
    _other: Dispatch,
}

impl Log {
    pub(crate) fn begin() -> Self {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(written.clone())
            .finish();
        let other = tracing_subscriber::fmt().with_writer(io::sink).finish();
        Self {
            written,
            _default: tracing::subscriber::set_default(subscriber),
            _other: Dispatch::new(other),
        }
    }

    pub(crate) fn end(self) -> String {
        let bytes = self.written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
