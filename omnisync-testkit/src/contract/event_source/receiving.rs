use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use omnisync_core::port::{Disposition, Settled};

use super::super::Violation;
use super::EventSourceFixture;
use super::desk::{Desk, as_sent, bodies};
use crate::fake::Message;

/// Clause 1: `receive` gives at most `max` deliveries, and an empty list when nothing arrived.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c01_receive_gives_at_most_max<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let want = ["1", "2", "3", "4", "5"];
    let desk = Desk::open(fixture, "event_source.c01", &want).await?;
    let mut all = desk.receive(2).await?.deliveries;
    all.extend(desk.receive(1).await?.deliveries);
    all.extend(desk.drain().await?);
    desk.check.equal(
        "what was delivered",
        &bodies(&all),
        &want.map(str::to_owned).into(),
    )?;
    for delivery in &all {
        desk.check
            .equal("the attempt of a first delivery", &delivery.attempt, &1)?;
    }
    let tokens: HashSet<_> = all.iter().map(|delivery| &delivery.token).collect();
    desk.check
        .equal("the number of different tokens", &tokens.len(), &want.len())?;
    let nothing = desk.receive(10).await?;
    desk.check.that(
        nothing.deliveries.is_empty(),
        "held deliveries do not come a second time",
    )
}

/// Clause 2: a delivery that is not settled comes again: after its lock ran out, or after a
/// restart.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c02_unsettled_deliveries_come_again<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let mut desk = Desk::open(fixture, "event_source.c02", &["a"]).await?;
    let first = desk.only("a").await?;
    desk.drain_exactly(&[]).await?;
    let mut last = first;
    if fixture.lock().is_some() {
        desk.pass_the_lock().await;
        let again = desk.only("a").await?;
        desk.attempt_rose(&last, &again)?;
        last = again;
    }
    desk = desk.restart().await;
    let again = desk.only("a").await?;
    desk.attempt_rose(&last, &again)?;
    desk.complete(&again).await
}

/// Clause 7: body and headers arrive as they were sent. A source that cannot carry any bytes or
/// headers has to carry lines of any script.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c07_body_and_headers_arrive_as_sent<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let mut contents: Vec<Vec<u8>> = [
        "{}",
        " spaces ",
        "Ærø 北京 שלום 👩‍👩‍👧 e\u{301}",
        "a\tb",
        "\u{feff}x",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    contents.push(vec![b'x'; 200_000]);
    if fixture.carries_any_bytes() {
        contents.push(Vec::new());
        contents.push((0..=u8::MAX).collect());
        contents.push(b"line\nline\r\n".to_vec());
        contents.push(vec![0xff, 0xfe, 0x00]);
    }
    let messages: Vec<Message> = contents
        .into_iter()
        .enumerate()
        .map(|(number, content)| {
            let message = Message::new(content);
            if fixture.carries_headers() {
                message
                    .with_header("ce-id", format!("event-{number}"))
                    .with_header("city", "Zürich")
                    .with_header("empty", "")
            } else {
                message
            }
        })
        .collect();
    let desk = Desk::open_with(fixture, "event_source.c07", messages.clone()).await?;
    let mut left = desk.drain().await?;
    desk.check
        .equal("the number of deliveries", &left.len(), &messages.len())?;
    for (number, message) in messages.iter().enumerate() {
        let found = left.iter().position(|delivery| as_sent(delivery, message));
        let found = desk
            .check
            .some(&format!("message {number}, as it was sent,"), found)?;
        left.swap_remove(found);
    }
    Ok(())
}

/// Clause 8: a finite source says `ended` once everything was handed out and nothing will come
/// again without a restart; any other source never does.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c08_a_finite_source_says_when_it_ended<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let delay = Duration::from_secs(10);
    let desk = Desk::open(fixture, "event_source.c08", &["a", "b", "c"]).await?;
    let first = desk.receive(1).await?;
    desk.check
        .that(!first.ended, "a source with messages left has not ended")?;
    let mut all = first.deliveries;
    all.extend(desk.drain().await?);
    desk.check
        .equal("the number of deliveries", &all.len(), &3)?;
    let returned = desk.check.some("a delivery", all.pop())?;
    desk.settle(&returned, Disposition::RetryAfter(delay), Settled::Returned)
        .await?;
    for delivery in &all {
        desk.complete(delivery).await?;
    }
    let waiting = desk.receive(10).await?;
    desk.check.that(
        !waiting.ended,
        "a source to which a delivery returned has not ended",
    )?;
    desk.check
        .that(waiting.deliveries.is_empty(), "the delay is honoured")?;
    fixture.pass(delay * 2).await;
    let again = desk.drain().await?;
    desk.check
        .equal("the number of returned deliveries", &again.len(), &1)?;
    for delivery in &again {
        desk.complete(delivery).await?;
    }
    let end = desk.receive(10).await?;
    desk.check
        .that(end.deliveries.is_empty(), "nothing is left")?;
    desk.check.equal("ended", &end.ended, &fixture.finite())
}

/// Clause 9: one bad item never stops the ones behind it.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c09_one_bad_item_stops_nothing<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let bad: Bytes = if fixture.carries_any_bytes() {
        Bytes::from_static(b"{\"broken\":\xff\xfe")
    } else {
        Bytes::from_static(b"{\"broken\":")
    };
    let mut messages = vec![Message::new(bad.clone()), Message::new(bad.clone())];
    for number in 0..20 {
        messages.push(Message::new(format!("good {number}")));
    }
    let desk = Desk::open_with(fixture, "event_source.c09", messages).await?;
    let mut completed = 0;
    let mut returned = false;
    for _ in 0..22 {
        for delivery in desk.receive(1).await?.deliveries {
            if delivery.body != bad {
                desk.complete(&delivery).await?;
                completed += 1;
            } else if !returned {
                // The other bad item stays unsettled: neither may stop what is behind.
                let later = Disposition::RetryAfter(Duration::from_secs(3_600));
                desk.settle(&delivery, later, Settled::Returned).await?;
                returned = true;
            }
        }
    }
    desk.check
        .equal("the number of good items that came", &completed, &20)
}
