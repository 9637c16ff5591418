use chrono::{DateTime, TimeDelta};
use omnisync_core::error::ErrorKind;
use omnisync_core::port::{
    Action, Collection, Content, Expect, StateStore, StateStoreExt, Write, WriteResult,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::Violation;
use super::StateStoreFixture;
use super::desk::{Desk, ids};

/// Largest body that the suite is willing to build.
const BODY_BYTES_TRIED_MAX: usize = 16 << 20;

/// Clause 1: an acknowledged document is read back equal, and survives the process when the
/// store is durable. A volatile store's fixture cannot reopen.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c01_acknowledged_documents_are_read_back<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c01", "contract_c01", &ids(["a", "b"])).await?;
    let due_at = DateTime::from_timestamp_millis(1_767_225_600_123);
    let content = Content {
        state: "waiting".to_owned(),
        due_at,
        expires_at: due_at.map(|instant| instant + TimeDelta::days(36_500)),
        body: desk.raw(&json!({ "number": 1, "text": "Zürich", "list": [1, null, true] }))?,
    };
    let write = Write {
        key: desk.key("a"),
        expect: Expect::Absent,
        action: Action::Put(content.clone()),
    };
    let tag = desk.tag("create", desk.store.write_one(write).await)?;
    desk.must_put("b", Expect::Absent, 2).await?;
    read_back(&desk, &content, tag.as_str()).await?;

    let durable = desk.store.capability().durable;
    let Desk {
        store,
        check,
        collection,
    } = desk;
    drop(store);
    let reopened = fixture.reopen().await;
    if !durable {
        return check.that(reopened.is_none(), "a volatile store cannot be reopened");
    }
    let desk = Desk {
        store: check.some("the reopened store, which is durable,", reopened)?,
        check,
        collection,
    };
    read_back(&desk, &content, tag.as_str()).await
}

async fn read_back(desk: &Desk, content: &Content, tag: &str) -> Result<(), Violation> {
    let keys = [desk.key("a"), desk.key("missing"), desk.key("b")];
    let found = desk.check.ok("get", desk.store.get(&keys).await)?;
    let present: Vec<bool> = found.iter().map(Option::is_some).collect();
    desk.check
        .equal("which keys were found", &present, &vec![true, false, true])?;
    let document = desk
        .check
        .some("the document", found.into_iter().next().flatten())?;
    desk.check.equal("its key", &document.key, &desk.key("a"))?;
    desk.check
        .equal("its state", &document.state, &content.state)?;
    desk.check
        .equal("its due time", &document.due_at, &content.due_at)?;
    desk.check
        .equal("its expiry", &document.expires_at, &content.expires_at)?;
    desk.check.equal("its tag", &document.etag.as_str(), &tag)?;
    same_json(desk, &content.body, document.body.as_deref())
}

/// Clause 11: any JSON value survives, numbers to 15 significant digits, texts to the last
/// character.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c11_any_json_value_survives<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c11", "contract_c11", &ids(["a"])).await?;
    let numbers = "[0,-1,0.1,19.99,-0.005,123456789012345,12345678901.2345,0.000000123456789012,\
                   1e15,9007199254740991,1e-7,1.5E+3]";
    let texts = [
        "",
        "plain",
        "Ærøskøbing",
        "北京市",
        "שלום",
        "मुंबई",
        "👩‍👩‍👧",
        "e\u{301}",
        "\u{0}",
        "\u{1}\u{7f}",
        "\u{2028}\u{feff}",
        "tab\tline\nreturn\r",
        "quote\" back\\slash",
        "</script>",
        "'; DROP",
    ];
    let most = desk.store.capability().body_bytes_max;
    let long = "ß".repeat(20_000.min(most.saturating_sub(2) / "ß".len()));
    let values = [
        numbers.to_owned(),
        json!(texts).to_string(),
        json!(long).to_string(),
        json!({ "": null, "a b": { "ü.x": [[], {}, [[[[1]]]]] }, "$ref": true }).to_string(),
        "null".to_owned(),
        "true".to_owned(),
        "7".to_owned(),
        "\"text\"".to_owned(),
        "[]".to_owned(),
    ];
    for text in values {
        let body = RawValue::from_string(text).map_err(|error| {
            desk.check
                .violation(format!("the suite has no such JSON: {error}"))
        })?;
        let content = Content {
            state: "open".to_owned(),
            due_at: None,
            expires_at: None,
            body: body.clone(),
        };
        let write = Write {
            key: desk.key("a"),
            expect: Expect::Any,
            action: Action::Put(content),
        };
        desk.check.ok("put", desk.store.write_one(write).await)?;
        let found = desk.check.some("the document", desk.get("a").await?)?;
        same_json(&desk, &body, found.body.as_deref())?;
    }
    Ok(())
}

/// Clause 12: ids hold any character but control characters and `/ \ ? #`, and collections are
/// separate name spaces.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c12_ids_hold_any_allowed_character<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let odd = ids([
        "a", "A", " a", "a ", "a b", ".", "..", "'", "\"", "%", "%41", "_", "*", ";--", "$", "{}",
        "é", "e\u{301}", "北京", "שלום", "😀", "a:b", "a|b", "a,b", "0", "00", "null", "a@b", "~",
    ]);
    let desk = Desk::open(fixture, "state_store.c12", "contract_c12", &odd).await?;
    let other = Desk {
        store: fixture.store().await,
        collection: Collection::new("contract_c12_other"),
        check: desk.check,
    };
    other
        .check
        .ok("delete", other.delete("a", Expect::Any).await)?;
    for (number, id) in odd.iter().enumerate() {
        desk.must_put(id, Expect::Absent, number).await?;
    }
    for (number, id) in odd.iter().enumerate() {
        let document = desk
            .check
            .some(&format!("the document {id:?}"), desk.get(id).await?)?;
        desk.check.equal("its id", &document.key.id, id)?;
        desk.check
            .equal("its number", &desk.number(&document)?, &number)?;
    }
    desk.check.that(
        other.get("a").await?.is_none(),
        "another collection has its own ids",
    )?;
    other.must_put("a", Expect::Absent, 99).await?;
    desk.check
        .ok("delete", desk.delete("a", Expect::Any).await)?;
    let kept = other.found("a").await?.map(|(number, _)| number);
    desk.check
        .equal("the document of the other collection", &kept, &Some(99))
}

/// Clause 13: `get` reflects every write acknowledged before it was called, through any handle.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c13_get_reflects_acknowledged_writes<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c13", "contract_c13", &ids(["a"])).await?;
    let other = Desk {
        store: fixture.store().await,
        ..desk.clone()
    };
    for number in 0..20 {
        // Writer and reader are two handles that change places.
        let (writer, reader) = if number % 2 == 0 {
            (&desk, &other)
        } else {
            (&other, &desk)
        };
        let created = writer.must_put("a", Expect::Absent, number).await?;
        reader.unchanged(reader.found("a").await?.as_ref(), number, &created)?;
        let replaced = writer
            .must_put("a", Expect::Tag(created), number + 100)
            .await?;
        reader.unchanged(reader.found("a").await?.as_ref(), number + 100, &replaced)?;
        writer.unchanged(writer.found("a").await?.as_ref(), number + 100, &replaced)?;
        desk.check
            .ok("delete", writer.delete("a", Expect::Tag(replaced)).await)?;
        desk.check.that(
            reader.get("a").await?.is_none(),
            "a deleted document is gone at once",
        )?;
    }
    Ok(())
}

/// Clause 14: a body that is too large gives `TooLarge` and changes nothing, and the largest
/// body fits. A store that takes more than the suite can build has to take what it built.
///
/// # Errors
/// Says what the store did otherwise.
pub async fn c14_too_large_bodies_change_nothing<F: StateStoreFixture>(
    fixture: &F,
) -> Result<(), Violation> {
    let desk = Desk::open(fixture, "state_store.c14", "contract_c14", &ids(["a", "b"])).await?;
    let largest = desk.store.capability().body_bytes_max;
    let fitting = largest.min(BODY_BYTES_TRIED_MAX);
    let tag = put_bytes(&desk, "a", fitting).await?;
    let tag = desk.tag("a put of the largest body", tag)?;
    if largest <= BODY_BYTES_TRIED_MAX {
        let over = put_bytes(&desk, "a", largest + 1).await?;
        desk.check
            .refused("a put over the limit", over, &[ErrorKind::TooLarge])?;
        let over = put_bytes(&desk, "b", largest + 1).await?;
        desk.check
            .refused("a create over the limit", over, &[ErrorKind::TooLarge])?;
    }
    desk.check.that(
        desk.get("b").await?.is_none(),
        "nothing is created by a refused put",
    )?;
    let found = desk
        .check
        .some("the largest document", desk.get("a").await?)?;
    desk.check.equal("its tag", &found.etag, &tag)?;
    let body: Value = desk.check.ok("parsing the largest body", found.parse())?;
    let chars = body.as_str().map(str::len);
    desk.check.equal(
        "the length of its text",
        &chars,
        &Some(fitting.saturating_sub(2)),
    )?;
    desk.check
        .ok("delete", desk.delete("a", Expect::Any).await)
        .map(drop)
}

/// Puts a body of exactly `bytes` bytes: a JSON text with its two quotes.
async fn put_bytes(desk: &Desk, id: &str, bytes: usize) -> Result<WriteResult, Violation> {
    let body = desk.raw(&Value::String("x".repeat(bytes.saturating_sub(2))))?;
    let content = Content {
        state: "open".to_owned(),
        due_at: None,
        expires_at: None,
        body,
    };
    let write = Write {
        key: desk.key(id),
        expect: Expect::Any,
        action: Action::Put(content),
    };
    Ok(desk.store.write_one(write).await)
}

fn same_json(desk: &Desk, want: &RawValue, got: Option<&RawValue>) -> Result<(), Violation> {
    let got = desk.check.some("the body", got)?;
    let parse = |raw: &RawValue| {
        serde_json::from_str::<Value>(raw.get())
            .map_err(|error| desk.check.violation(format!("a body is not JSON: {error}")))
    };
    let same = equal(&parse(want)?, &parse(got)?);
    desk.check.that(
        same,
        format!(
            "the body equals {:.200}, it is {:.200}",
            want.get(),
            got.get()
        ),
    )
}

/// Equality of JSON values, where numbers are equal when their first 15 significant digits are:
/// stores may write `1` as `1.0` and `1e-7` as `0.0000001`.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || digits(left) == digits(right)
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| equal(l, r))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, l)| right.get(key).is_some_and(|r| equal(l, r)))
        }
        _ => left == right,
    }
}

fn digits(number: &serde_json::Number) -> Option<String> {
    number.as_f64().map(|number| format!("{number:.14e}"))
}
