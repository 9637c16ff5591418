use std::time::Duration;

use omnisync_core::error::ErrorKind;
use omnisync_core::port::{
    DeadLetterReason, Delivery, DeliveryToken, Disposition, Settled, SettlementMode,
};

use super::super::Violation;
use super::EventSourceFixture;
use super::desk::{Desk, as_sent, bodies};
use crate::fake::Message;

fn dead_letter(description: &str) -> Disposition {
    Disposition::DeadLetter {
        reason: DeadLetterReason::ValidationFailure,
        description: description.to_owned(),
    }
}

/// Clause 3: `Complete` and `DeadLetter` end a delivery for as long as the source's settlement
/// lasts. A watermark may give settled deliveries behind an unsettled one again after a restart,
/// and then knows the dead letter.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c03_settled_deliveries_stay_away<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let mut desk = Desk::open(fixture, "event_source.c03", &["a", "b", "c"]).await?;
    let all = desk.drain_exactly(&["a", "b", "c"]).await?;
    let sets_aside = desk.source.capability().dead_letter;
    for delivery in &all {
        if is(delivery, "b") {
            desk.complete(delivery).await?;
        } else if is(delivery, "c") && sets_aside {
            desk.settle(delivery, dead_letter("/total"), Settled::DeadLettered)
                .await?;
        } else if is(delivery, "c") {
            desk.complete(delivery).await?;
        }
    }
    if fixture.lock().is_some() {
        desk.pass_the_lock().await;
        desk.only("a").await?;
    }
    desk = desk.restart().await;
    let again = match desk.source.capability().settlement {
        SettlementMode::PerMessage => desk.drain_exactly(&["a"]).await?,
        SettlementMode::Watermark => desk.drain().await?,
    };
    desk.check.that(
        again.iter().any(|delivery| is(delivery, "a")),
        "the unsettled one comes",
    )?;
    for delivery in &again {
        if is(delivery, "c") && sets_aside {
            desk.settle(
                delivery,
                dead_letter("/total"),
                Settled::AlreadyDeadLettered,
            )
            .await?;
        } else {
            desk.complete(delivery).await?;
        }
    }
    let count = usize::from(sets_aside);
    desk.check.equal(
        "the number of dead letters",
        &fixture.dead_letters().await.len(),
        &count,
    )?;
    desk = desk.restart().await;
    desk.drain_exactly(&[]).await.map(drop)
}

fn is(delivery: &Delivery, body: &str) -> bool {
    delivery.body == body.as_bytes()
}

/// Clause 4: `RetryAfter` gives the delivery again no earlier than after the delay.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c04_retry_after_waits_its_delay<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "event_source.c04", &["a"]).await?;
    let first = desk.only("a").await?;
    let delay = fixture.lock().unwrap_or_default() + Duration::from_secs(120);
    desk.settle(&first, Disposition::RetryAfter(delay), Settled::Returned)
        .await?;
    desk.drain_exactly(&[]).await?;
    desk.pass_the_lock().await;
    desk.drain_exactly(&[]).await?;
    fixture.pass(delay).await;
    let again = desk.only("a").await?;
    desk.attempt_rose(&first, &again)?;
    desk.settle(
        &again,
        Disposition::RetryAfter(Duration::ZERO),
        Settled::Returned,
    )
    .await?;
    fixture.pass(Duration::from_secs(1)).await;
    let third = desk.only("a").await?;
    desk.attempt_rose(&again, &third)?;
    desk.complete(&third).await
}

/// Clause 5: a dead letter keeps body, reason and description, and can be read. A source that
/// keeps none gives `Unsupported` and goes on holding the delivery.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c05_dead_letters_keep_body_and_reason<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let mut desk = Desk::open(fixture, "event_source.c05", &["{\"total\":1}"]).await?;
    let delivery = desk.only("{\"total\":1}").await?;
    if !desk.source.capability().dead_letter {
        let settled = desk.source.settle(&delivery, dead_letter("/total")).await;
        desk.check
            .refused("a dead letter", settled, &[ErrorKind::Unsupported])?;
        return desk.complete(&delivery).await;
    }
    let description = "/total \"1\" is not the sum, Zürich";
    desk.settle(&delivery, dead_letter(description), Settled::DeadLettered)
        .await?;
    for _ in 0..2 {
        let letters = fixture.dead_letters().await;
        desk.check
            .equal("the number of dead letters", &letters.len(), &1)?;
        let letter = desk
            .check
            .some("the dead letter", letters.into_iter().next())?;
        desk.check
            .that(letter.message.body == delivery.body, "it keeps the body")?;
        desk.check
            .equal("its reason", &letter.reason.as_str(), &"ValidationFailure")?;
        desk.check.equal(
            "its description",
            &letter.description.as_str(),
            &description,
        )?;
        // It is there after a restart as well.
        desk = desk.restart().await;
    }
    Ok(())
}

/// Clause 6: settling a delivery that is no longer held gives `LockLost`, and settles nothing.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c06_settling_a_lost_delivery_is_refused<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "event_source.c06", &["a", "b"]).await?;
    let mut all = desk.drain_exactly(&["a", "b"]).await?;
    all.sort_by(|left, right| left.body.cmp(&right.body));
    let [mut a, b] = <[Delivery; 2]>::try_from(all)
        .map_err(|_| desk.check.violation("two messages give two deliveries"))?;
    desk.complete(&b).await?;
    for disposition in dispositions(&desk) {
        lost(
            &desk,
            "settling a completed delivery again",
            &b,
            disposition,
        )
        .await?;
    }
    let invented = Delivery {
        token: DeliveryToken("999999.never-issued".to_owned()),
        ..b.clone()
    };
    lost(
        &desk,
        "settling a delivery that never was",
        &invented,
        Disposition::Complete,
    )
    .await?;

    if fixture.lock().is_some() {
        for disposition in dispositions(&desk) {
            desk.pass_the_lock().await;
            lost(
                &desk,
                "settling after the lock ran out",
                &a,
                disposition.clone(),
            )
            .await?;
            let again = desk.only("a").await?;
            lost(
                &desk,
                "settling by the token of an earlier delivery",
                &a,
                disposition,
            )
            .await?;
            a = again;
        }
    }
    desk.complete(&a).await?;
    let letters = fixture.dead_letters().await;
    desk.check.that(
        letters.is_empty(),
        "a refused settlement sets nothing aside",
    )?;
    desk.pass_the_lock().await;
    let left = desk.drain().await?;
    desk.check.equal(
        "what comes after all is settled",
        &bodies(&left),
        &Vec::new(),
    )
}

fn dispositions(desk: &Desk<'_>) -> Vec<Disposition> {
    let mut all = vec![
        Disposition::Complete,
        Disposition::RetryAfter(Duration::from_secs(1)),
    ];
    if desk.source.capability().dead_letter {
        all.push(dead_letter("/total"));
    }
    all
}

async fn lost(
    desk: &Desk<'_>,
    doing: &str,
    delivery: &Delivery,
    disposition: Disposition,
) -> Result<(), Violation> {
    let settled = desk.source.settle(delivery, disposition).await;
    desk.check.refused(doing, settled, &[ErrorKind::LockLost])
}

/// Clause 10: `extend` renews the lock of a held delivery; a source without locks gives
/// `Unsupported`, and the delivery stays held.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c10_extend_renews_the_lock<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "event_source.c10", &["a"]).await?;
    let delivery = desk.only("a").await?;
    if !desk.source.capability().extend {
        let extended = desk.source.extend(&delivery).await;
        desk.check
            .refused("extend", extended, &[ErrorKind::Unsupported])?;
        return desk.complete(&delivery).await;
    }
    let lock = desk
        .check
        .some("the lock of a source that extends", fixture.lock())?;
    let mut until = None;
    for _ in 0..4 {
        fixture.pass(lock * 6 / 10).await;
        let renewed = desk
            .check
            .ok("extend", desk.source.extend(&delivery).await)?;
        desk.check
            .that(Some(renewed) > until, "every extension holds longer")?;
        until = Some(renewed);
        desk.drain_exactly(&[]).await?;
    }
    desk.pass_the_lock().await;
    let late = desk.source.extend(&delivery).await;
    desk.check.refused(
        "extend after the lock ran out",
        late,
        &[ErrorKind::LockLost],
    )?;
    let again = desk.only("a").await?;
    desk.complete(&again).await?;
    let late = desk.source.extend(&again).await;
    desk.check
        .refused("extend after settlement", late, &[ErrorKind::LockLost])
}

/// Clause 11: what comes again after `RetryAfter` is the same message, and so is its dead letter.
///
/// # Errors
/// Says what the source did otherwise.
pub async fn c11_what_comes_again_is_the_same<F: EventSourceFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let mut sent = Message::new("{\"city\":\"Zürich\"}");
    if fixture.carries_headers() {
        let headers = [("message-id", "m-1"), ("ce-id", "event-1"), ("empty", "")];
        for (name, value) in headers {
            sent = sent.with_header(name, value);
        }
    }
    let desk = Desk::open_with(fixture, "event_source.c11", vec![sent.clone()]).await?;
    let body = String::from_utf8_lossy(&sent.body).into_owned();
    let mut delivery = desk.only(&body).await?;
    for round in 0..3 {
        desk.check.that(
            as_sent(&delivery, &sent),
            format!("what comes after {round} returns is what was sent"),
        )?;
        let delay = Duration::from_secs(5);
        desk.settle(&delivery, Disposition::RetryAfter(delay), Settled::Returned)
            .await?;
        fixture.pass(delay).await;
        delivery = desk.only(&body).await?;
    }
    if !desk.source.capability().dead_letter {
        return desk.complete(&delivery).await;
    }
    desk.settle(&delivery, dead_letter("/city"), Settled::DeadLettered)
        .await?;
    let letters = fixture.dead_letters().await;
    let letter = desk
        .check
        .some("the dead letter", letters.into_iter().next())?;
    desk.check.equal(
        "the body of the dead letter",
        &letter.message.body,
        &sent.body,
    )?;
    // A back end that keeps no headers there gives none.
    let kept = &letter.message.headers;
    let lost = sent.headers.iter().find(|header| !kept.contains(header));
    desk.check.that(
        kept.is_empty() || lost.is_none(),
        format!("the dead letter keeps every header, but {lost:?}"),
    )
}
