//! What a distortion looks like at each operation: to the caller, to an observer, and in what
//! stays.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::{self, StreamExt as _};
use omnisync_core::error::{ErrorKind, PortError};
use omnisync_core::port::{
    BlobStage as _, ByteStream, Delivery, DeliveryToken, Disposition, ErpImporter as _,
    EventSource, EventSourceCapability, Received, Settled, Submission, byte_stream,
};
use omnisync_testkit::clock::ManualClock;
use omnisync_testkit::contract::block_on;
use omnisync_testkit::fake::MemoryBlobStage;
use omnisync_testkit::fault::{Call, Distortion, Effect, Interceptor, Seam, Verdict};

use super::kit::{CONTENT, Diary, Importer, Kit, OPERATIONS, blob, submission};

/// Distorts every call in the same way, and keeps how calls ended.
#[derive(Debug)]
struct Distorting {
    distortion: Option<Distortion>,
    ended: Mutex<Vec<Effect>>,
}

#[async_trait]
impl Interceptor for Distorting {
    async fn before(&self, _: &Call) -> Verdict {
        self.distortion.map_or(Verdict::Proceed, Verdict::Distort)
    }

    async fn after(&self, _: &Call, effect: Effect) -> Verdict {
        self.ended.lock().unwrap().push(effect);
        Verdict::Proceed
    }
}

fn seam(distortion: Option<Distortion>) -> (Arc<Distorting>, Arc<Diary>, Seam) {
    let distorting = Arc::new(Distorting {
        distortion,
        ended: Mutex::default(),
    });
    let diary = Arc::new(Diary::default());
    let seam = Seam::new(Arc::clone(&distorting) as _).watched_by(Arc::clone(&diary) as _);
    (distorting, diary, seam)
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    told: Result<String, ErrorKind>,
    seen: Vec<String>,
    state: String,
}

/// One call of `operation` that is distorted so.
#[track_caller]
fn outcome(operation: &str, distortion: Option<Distortion>) -> Outcome {
    let (distorting, diary, seam) = seam(distortion);
    let kit = Kit::new(Arc::new(ManualClock::default()));
    let told = block_on(kit.behind(&seam).call(operation)).map_err(|error| error.kind());
    let ended = distorting.ended.lock().unwrap();
    let effect = told.as_ref().err();
    let effect = effect.map_or(Effect::Done, |kind| Effect::Refused(*kind));
    assert_eq!(*ended, [effect], "{operation} ends once");
    Outcome {
        told,
        seen: diary.read(),
        state: kit.state(),
    }
}

const BEFORE: &str = "documents a b c, blobs old, 4 unsettled, 0 submitted, 5 changes";

/// One change more in the CRM.
const CHANGED: &str = "documents a b c, blobs old, 4 unsettled, 0 submitted, 6 changes";

#[track_caller]
fn check(operation: &str, distortion: Distortion, told: &str, seen: &[&str], state: &str) {
    let outcome = outcome(operation, Some(distortion));
    assert_eq!(outcome.told.as_deref(), Ok(told));
    assert_eq!(outcome.seen, seen);
    assert_eq!(outcome.state, state);
}

#[test]
fn an_undistorted_call_does_what_it_says() {
    for (operation, told, seen, state) in [
        (
            "state_store.get",
            "a nothing",
            "read a, read nothing",
            BEFORE,
        ),
        (
            "state_store.write",
            "Ok Ok Ok",
            "wrote x, wrote y, wrote z",
            "documents a b c x y z, blobs old, 4 unsettled, 0 submitted, 5 changes",
        ),
        ("state_store.query", "a b c", "page a b c", BEFORE),
        (
            "blob_stage.put",
            "new 8",
            "put new 8",
            "documents a b c, blobs new old, 4 unsettled, 0 submitted, 5 changes",
        ),
        ("blob_stage.get", CONTENT, "", BEFORE),
        ("blob_stage.list", "old", "", BEFORE),
        (
            "blob_stage.delete",
            "true",
            "deleted old",
            "documents a b c, blobs , 4 unsettled, 0 submitted, 5 changes",
        ),
        (
            "event_source.receive",
            "2 3 4",
            "handed out 2, handed out 3, handed out 4",
            BEFORE,
        ),
        (
            "event_source.settle",
            "Completed",
            "Completed 1",
            "documents a b c, blobs old, 3 unsettled, 0 submitted, 5 changes",
        ),
        ("event_source.extend", "2026-01-01 00:01:00 UTC", "", BEFORE),
        (
            "erp_importer.submit",
            "number 1",
            "submitted",
            "documents a b c, blobs old, 4 unsettled, 1 submitted, 5 changes",
        ),
        ("erp_importer.status", "Succeeded", "said Succeeded", BEFORE),
        (
            "erp_importer.results",
            "Toy=1 Toy=2 Toy=3",
            "said Toy=1, said Toy=2, said Toy=3",
            BEFORE,
        ),
        ("crm_sink.read", "v1", "saw crm-1", BEFORE),
        (
            "crm_sink.find",
            "crm-1 crm-2 crm-3",
            "found crm-1 crm-2 crm-3",
            BEFORE,
        ),
        ("crm_sink.create", "crm-5 v6", "created crm-5 v6", CHANGED),
        ("crm_sink.update", "crm-1 v6", "updated crm-1 v6", CHANGED),
        ("crm_sink.remove", "crm-2 v6", "removed crm-2 v6", CHANGED),
        ("crm_sink.restore", "crm-4 v6", "restored crm-4 v6", CHANGED),
        (
            "crm_sink.changes",
            "crm-1 crm-2 crm-3 crm-4",
            "changed crm-1 crm-2 crm-3 crm-4",
            BEFORE,
        ),
    ] {
        let outcome = outcome(operation, None);
        assert_eq!(outcome.told.as_deref(), Ok(told));
        assert_eq!(outcome.seen.join(", "), seen);
        assert_eq!(outcome.state, state);
    }
}

#[test]
fn part_of_a_write_is_sent_or_one_answer_is_lost() {
    let after = |written: &str| {
        format!("documents a b c{written}, blobs old, 4 unsettled, 0 submitted, 5 changes")
    };
    // Even dice say how many items are sent.
    for (dice, told, seen, written) in [
        (0, "Unavailable Unavailable Unavailable", &[][..], ""),
        (2, "Ok Unavailable Unavailable", &["wrote x"][..], " x"),
        (4, "Ok Ok Unavailable", &["wrote x", "wrote y"], " x y"),
        (6, "Unavailable Unavailable Unavailable", &[], ""),
    ] {
        let partial = Distortion::Partial { dice };
        check("state_store.write", partial, told, seen, &after(written));
    }
    // Odd dice say whose answer is lost.
    let all = ["wrote x", "wrote y", "wrote z"];
    for (dice, told) in [
        (1, "TimedOut Ok Ok"),
        (3, "Ok TimedOut Ok"),
        (5, "Ok Ok TimedOut"),
        (7, "TimedOut Ok Ok"),
    ] {
        let partial = Distortion::Partial { dice };
        check("state_store.write", partial, told, &all, &after(" x y z"));
    }
}

#[test]
fn a_repeated_write_tells_of_the_second_attempt() {
    check(
        "state_store.write",
        Distortion::Repeated,
        "AlreadyExists AlreadyExists AlreadyExists",
        &[
            "wrote x",
            "wrote y",
            "wrote z",
            "x AlreadyExists",
            "y AlreadyExists",
            "z AlreadyExists",
        ],
        "documents a b c x y z, blobs old, 4 unsettled, 0 submitted, 5 changes",
    );
}

/// A call that loses or gains nothing but its order, for some dice.
#[track_caller]
fn check_shuffled(operation: &str, plain: &str, seen: impl Fn(&str) -> Vec<String>) {
    let mut orders = Vec::new();
    for dice in 0..16 {
        let outcome = outcome(operation, Some(Distortion::Shuffled { dice }));
        let told = outcome.told.unwrap();
        assert_eq!(outcome.seen, seen(&told));
        assert_eq!(outcome.state, BEFORE);
        let mut sorted: Vec<&str> = told.split(' ').collect();
        sorted.sort_unstable();
        assert_eq!(sorted.join(" "), plain);
        orders.push(told);
    }
    orders.sort_unstable();
    orders.dedup();
    assert!(orders.len() > 3, "{orders:?}");
}

#[test]
fn a_shuffle_changes_the_order_and_nothing_else() {
    check_shuffled("state_store.query", "a b c", |told| {
        vec![format!("page {told}")]
    });
    check_shuffled("crm_sink.find", "crm-1 crm-2 crm-3", |told| {
        vec![format!("found {told}")]
    });
    check_shuffled("crm_sink.changes", "crm-1 crm-2 crm-3 crm-4", |told| {
        vec![format!("changed {told}")]
    });
    let said = |told: &str| told.split(' ').map(|word| format!("said {word}")).collect();
    check_shuffled("erp_importer.results", "Toy=1 Toy=2 Toy=3", said);
    // An observer sees deliveries as the source hands them out.
    let handed_out = [2, 3, 4].map(|cursor| format!("handed out {cursor}"));
    check_shuffled("event_source.receive", "2 3 4", |_| handed_out.to_vec());
}

#[test]
fn an_upload_that_breaks_off_leaves_nothing() {
    for dice in 0..4 {
        let outcome = outcome("blob_stage.put", Some(Distortion::Partial { dice }));
        assert_eq!(outcome.told, Err(ErrorKind::Unavailable));
        assert_eq!(outcome.seen, ["refused Unavailable"]);
        assert_eq!(outcome.state, BEFORE);
    }
}

#[test]
fn a_repeated_upload_finds_itself() {
    let outcome = outcome("blob_stage.put", Some(Distortion::Repeated));
    assert_eq!(outcome.told, Err(ErrorKind::AlreadyExists));
    assert_eq!(outcome.seen, ["put new 8", "refused AlreadyExists"]);
    let after = "documents a b c, blobs new old, 4 unsettled, 0 submitted, 5 changes";
    assert_eq!(outcome.state, after);
}

#[test]
fn a_damaged_download_ends_with_an_error() {
    for (dice, told) in [(0, "1234 Unavailable"), (1, "1234 Corrupt")] {
        let damaged = Distortion::Damaged { dice };
        check("blob_stage.get", damaged, told, &[], BEFORE);
    }
}

#[test]
fn a_doubled_delivery_is_handed_out_once() {
    let seen = ["handed out 2", "handed out 3", "handed out 4"];
    for (dice, told) in [(0, "2 3 4 2"), (1, "2 3 4 3"), (5, "2 3 4 4")] {
        let doubled = Distortion::Doubled { dice };
        check("event_source.receive", doubled, told, &seen, BEFORE);
    }
    let (_, _, seam) = seam(Some(Distortion::Doubled { dice: 0 }));
    let source = seam.wrap(Agreeable);
    let full = block_on(source.receive(1, Duration::ZERO)).unwrap();
    assert_eq!(full.deliveries.len(), 1, "never more than were asked for");
}

#[test]
fn a_repeated_settlement_comes_too_late() {
    let outcome = outcome("event_source.settle", Some(Distortion::Repeated));
    assert_eq!(outcome.told, Err(ErrorKind::LockLost));
    assert_eq!(outcome.seen, ["Completed 1", "refused LockLost"]);
    let after = "documents a b c, blobs old, 3 unsettled, 0 submitted, 5 changes";
    assert_eq!(outcome.state, after);
}

#[test]
fn both_settlements_are_seen_where_the_source_takes_both() {
    let (_, diary, seam) = seam(Some(Distortion::Repeated));
    let source = seam.wrap(Agreeable);
    block_on(source.settle(&delivery(), Disposition::Complete)).unwrap();
    assert_eq!(diary.read(), ["Completed 1", "Completed 1"]);
}

#[test]
fn a_repeated_submission_reaches_the_erp_twice() {
    check(
        "erp_importer.submit",
        Distortion::Repeated,
        "number 2",
        &["submitted", "submitted"],
        "documents a b c, blobs old, 4 unsettled, 2 submitted, 5 changes",
    );
}

#[test]
fn a_repeated_write_of_a_record_changes_it_once() {
    for (operation, told, seen) in [
        ("create", "crm-5 v6", "created crm-5 v6"),
        ("remove", "crm-2 v6", "removed crm-2 v6"),
        ("restore", "crm-4 v6", "restored crm-4 v6"),
    ] {
        let operation = format!("crm_sink.{operation}");
        check(&operation, Distortion::Repeated, told, &[seen; 2], CHANGED);
    }
    let outcome = outcome("crm_sink.update", Some(Distortion::Repeated));
    assert_eq!(outcome.told, Err(ErrorKind::Conflict));
    assert_eq!(outcome.seen, ["updated crm-1 v6", "refused Conflict"]);
    assert_eq!(outcome.state, CHANGED);
}

#[test]
fn a_record_is_named_twice_among_the_changes() {
    for (dice, told) in [
        (0, "crm-1 crm-2 crm-3 crm-4 crm-1"),
        (6, "crm-1 crm-2 crm-3 crm-4 crm-3"),
    ] {
        let doubled = Distortion::Doubled { dice };
        let seen = format!("changed {told}");
        check("crm_sink.changes", doubled, told, &[&seen], BEFORE);
    }
}

#[test]
fn a_status_is_from_before_the_end_or_a_word_that_nobody_knows() {
    let operation = "erp_importer.status";
    let seen = ["said Executing"];
    check(operation, Distortion::Stale, "Executing", &seen, BEFORE);
    for dice in 0..4 {
        let damaged = Distortion::Damaged { dice };
        check(operation, damaged, "Zapped", &["said Zapped"], BEFORE);
    }
}

#[test]
fn results_are_missing_doubled_or_of_nobody() {
    let results = |distortion| {
        let outcome = outcome("erp_importer.results", Some(distortion));
        let told = outcome.told.unwrap();
        let said: Vec<_> = told.split(' ').map(|word| format!("said {word}")).collect();
        assert_eq!(outcome.seen, said);
        assert_eq!(outcome.state, BEFORE);
        told
    };
    for (dice, partial, doubled) in [
        (0, "Toy=2 Toy=3", "Toy=1 Toy=2 Toy=3 Toy=1"),
        (1, "Toy=1 Toy=3", "Toy=1 Toy=2 Toy=3 Toy=2"),
        (5, "Toy=1 Toy=2", "Toy=1 Toy=2 Toy=3 Toy=3"),
    ] {
        assert_eq!(results(Distortion::Partial { dice }), partial);
        assert_eq!(results(Distortion::Doubled { dice }), doubled);
        let damaged = results(Distortion::Damaged { dice });
        assert_eq!(damaged, format!("Toy=1 Toy=2 Toy=3 Nobody's={dice}"));
    }
}

const fn is_distorted(operation: &str, distortion: Distortion) -> bool {
    use Distortion::{Damaged, Doubled, Partial, Repeated, Shuffled, Stale};
    match operation.as_bytes() {
        b"state_store.write" | b"blob_stage.put" => matches!(distortion, Partial { .. } | Repeated),
        b"state_store.query" => matches!(distortion, Shuffled { .. }),
        b"blob_stage.get" => matches!(distortion, Damaged { .. }),
        b"event_source.receive" => matches!(distortion, Shuffled { .. } | Doubled { .. }),
        b"event_source.settle" | b"erp_importer.submit" => matches!(distortion, Repeated),
        b"erp_importer.status" => matches!(distortion, Stale | Damaged { .. }),
        b"erp_importer.results" => !matches!(distortion, Stale | Repeated),
        b"crm_sink.find" => matches!(distortion, Shuffled { .. }),
        b"crm_sink.create" | b"crm_sink.update" | b"crm_sink.remove" | b"crm_sink.restore" => {
            matches!(distortion, Repeated)
        }
        b"crm_sink.changes" => matches!(distortion, Shuffled { .. } | Doubled { .. }),
        _ => false,
    }
}

#[test]
fn what_cannot_be_distorted_goes_on() {
    let mut undisturbed = 0;
    for operation in OPERATIONS {
        for dice in 0..3 {
            for distortion in [
                Distortion::Partial { dice },
                Distortion::Repeated,
                Distortion::Shuffled { dice },
                Distortion::Doubled { dice },
                Distortion::Stale,
                Distortion::Damaged { dice },
            ] {
                if !is_distorted(operation, distortion) {
                    let plain = outcome(operation, None);
                    assert_eq!(outcome(operation, Some(distortion)), plain);
                    undisturbed += 1;
                }
            }
        }
    }
    assert_eq!(undisturbed, 3 * (21 * 6 - 23));
}

/// Content that breaks off by itself.
fn broken() -> ByteStream {
    let error = PortError::new(ErrorKind::Exhausted, "toy.read");
    stream::iter([Ok(CONTENT.into()), Err(error)]).boxed()
}

#[test]
fn a_distorted_call_whose_content_fails_is_refused() {
    for distortion in [Distortion::Partial { dice: 0 }, Distortion::Repeated] {
        let (distorting, diary, seam) = seam(Some(distortion));
        let stage = seam.wrap(MemoryBlobStage::default());
        let put = block_on(stage.put(&blob("new"), broken())).unwrap_err();
        let erp = seam.wrap(Importer::default());
        let broken = Submission {
            content: broken(),
            ..submission()
        };
        let submitted = block_on(erp.submit(broken)).unwrap_err();
        for error in [put, submitted] {
            assert_eq!(error.kind(), ErrorKind::Exhausted, "{distortion:?}");
        }
        assert_eq!(diary.read(), ["refused Exhausted"; 2]);
        let refused = Effect::Refused(ErrorKind::Exhausted);
        assert_eq!(*distorting.ended.lock().unwrap(), [refused; 2]);
        assert_eq!(stage.inner().names(), []);
    }
}

#[test]
fn damage_to_a_blob_that_is_damaged_is_told_at_the_end_of_the_bytes() {
    let damaged = Distortion::Damaged { dice: 0 };
    let (distorting, _, seam) = seam(Some(damaged));
    let stage = seam.wrap(MemoryBlobStage::default());
    let name = blob("old");
    block_on(stage.put(&name, byte_stream(CONTENT))).unwrap();
    assert!(stage.inner().alter(&name));
    let read = block_on(stage.get(&name)).unwrap();
    let chunks: Vec<_> = block_on(read.content.collect());
    assert_eq!(
        chunks.last().unwrap().as_ref().unwrap_err().kind(),
        ErrorKind::Corrupt
    );
    assert_eq!(*distorting.ended.lock().unwrap(), [Effect::Done; 2]);
}

/// A source that always has the same delivery, and takes every settlement.
#[derive(Debug)]
struct Agreeable;

fn delivery() -> Delivery {
    Delivery {
        token: DeliveryToken("1".to_owned()),
        attempt: 1,
        cursor: "1".to_owned(),
        headers: Vec::new(),
        body: "{}".into(),
    }
}

#[async_trait]
impl EventSource for Agreeable {
    fn capability(&self) -> EventSourceCapability {
        EventSourceCapability::queue()
    }

    async fn receive(&self, _: usize, _: Duration) -> Result<Received, PortError> {
        Ok(Received {
            deliveries: vec![delivery()],
            ended: false,
        })
    }

    async fn settle(&self, _: &Delivery, _: Disposition) -> Result<Settled, PortError> {
        Ok(Settled::Completed)
    }

    async fn extend(&self, _: &Delivery) -> Result<DateTime<Utc>, PortError> {
        Ok(DateTime::UNIX_EPOCH)
    }
}
