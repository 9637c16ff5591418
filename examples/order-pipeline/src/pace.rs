//! How soon to go on.

use chrono::TimeDelta;
use omnisync_core::PortError;

/// The pause after a failure: `shortest`, or as long as whoever failed asked for.
pub(crate) fn pause_after(error: &PortError, shortest: TimeDelta) -> TimeDelta {
    let asked = error.retry_after().map(TimeDelta::from_std);
    let asked = asked.and_then(Result::ok).unwrap_or_default();
    shortest.max(asked)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use omnisync_core::ErrorKind;

    use super::*;

    #[test]
    fn whoever_failed_may_ask_for_more() {
        let shortest = TimeDelta::seconds(2);
        let error = || PortError::new(ErrorKind::Throttled, "test");
        assert_eq!(pause_after(&error(), shortest), shortest);
        let asks = |seconds| error().with_retry_after(Duration::from_secs(seconds));
        assert_eq!(pause_after(&asks(1), shortest), shortest);
        assert_eq!(pause_after(&asks(30), shortest), TimeDelta::seconds(30));
    }
}
