use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The numbers of the design. A simulation shortens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedOptions {
    /// Deliveries of one message before the broker sets it aside. Default 10.
    pub deliveries_max: u32,
    /// Messages that one round ingests at most. Default 10,000.
    pub round_messages_max: usize,
    /// How long a document lives after its last write. Default 30 days.
    pub document_age_max: Duration,
    /// Distance of two transformations, counted from the Unix epoch, so that the default of four
    /// hours fires at full hours; zero fires in every round.
    pub transform_every: Duration,
    /// Distance of two deliveries. Default four hours; zero fires in every round.
    pub deliver_every: Duration,
    /// How long after a full distance a delivery begins. Default 15 minutes.
    pub deliver_after: Duration,
    /// Names that a delivery lists. Default 10.
    pub blobs_listed_max: usize,
    /// Rounds of the loop that waits for an import. Default 20.
    pub polls_max: u32,
    /// Pause after each of these rounds. Default 30 seconds.
    pub poll_every: Duration,
    /// Time after which the loop ends as well. Default 10 minutes.
    pub polling_max: Duration,
    /// Pauses before an action of the workflow is sent again. The design sets no retry policy,
    /// so this is the platform's own. Default 7.5, 15, 30 and 45 seconds.
    pub retry_delays: Vec<Duration>,
    /// Age at which a package is deleted. Default 7 days.
    pub package_age_max: Duration,
    /// Distance of two runs of the rule that deletes packages. Default one day; zero runs it in
    /// every round.
    pub lifecycle_every: Duration,
}

impl Default for PublishedOptions {
    fn default() -> Self {
        Self {
            deliveries_max: 10,
            round_messages_max: 10_000,
            document_age_max: 30 * DAY,
            transform_every: 4 * HOUR,
            deliver_every: 4 * HOUR,
            deliver_after: 15 * MINUTE,
            blobs_listed_max: 10,
            polls_max: 20,
            poll_every: MINUTE / 2,
            polling_max: 10 * MINUTE,
            retry_delays: [7_500, 15_000, 30_000, 45_000]
                .map(Duration::from_millis)
                .to_vec(),
            package_age_max: 7 * DAY,
            lifecycle_every: DAY,
        }
    }
}
