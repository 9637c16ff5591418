//! `DataManagementExecutionJobDetails`: what became of each entity of an execution.

use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::execution::Execution;
use super::state::State;
use super::url::{parameter, parameters};

/// Answers a question for job details.
pub(crate) fn answer(state: &State, query: &str) -> Answer {
    let bad = |what: &str| Answer::odata_error(400, what);
    let Some(query) = parameters(query) else {
        return bad("The query cannot be decoded.");
    };
    let known = ["$filter", "$select", "cross-company"];
    if let Some((name, _)) = query
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        return bad(&format!("The query option '{name}' is not supported."));
    }
    let filter = parameter(&query, "$filter");
    let Some(comparisons) = comparisons(filter) else {
        return bad("The filter is not supported: it compares ids.");
    };
    let rows: Vec<_> = state
        .executions
        .values()
        .filter(|execution| {
            comparisons.iter().any(|(field, wanted)| match field {
                Field::Job => execution.id == *wanted,
                Field::Group => execution.group == *wanted,
            })
        })
        .flat_map(Execution::details)
        .collect();
    let select: Vec<_> = parameter(&query, "$select")
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    let rows = rows.into_iter().map(|row| narrowed(row, &select));
    let Some(rows) = rows.collect::<Option<Vec<_>>>() else {
        return bad("A property of the select clause does not exist.");
    };
    let context = format!(
        "{}/data/$metadata#DataManagementExecutionJobDetails",
        state.base_url
    );
    Answer::odata(200, &json!({"@odata.context": context, "value": rows}))
}

#[derive(Clone, Copy)]
enum Field {
    Job,
    Group,
}

/// One or more of `JobId eq '…'` and `DefinitionGroupId eq '…'` with `or` between them. A quote in
/// the text stands twice.
fn comparisons(filter: &str) -> Option<Vec<(Field, String)>> {
    let mut rest = filter.trim();
    let mut comparisons = Vec::new();
    loop {
        let (name, after) = rest.split_once(" eq '")?;
        let field = match name.trim() {
            "JobId" => Field::Job,
            "DefinitionGroupId" => Field::Group,
            _ => return None,
        };
        let (text, after) = literal(after)?;
        comparisons.push((field, text));
        if after.is_empty() {
            return Some(comparisons);
        }
        rest = after.strip_prefix(" or ")?;
    }
}

/// The text up to its closing quote, and what comes behind.
fn literal(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('\'')?;
        text.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                text.push('\'');
                rest = after;
            }
            None => return Some((text, after)),
        }
    }
}

fn narrowed(row: Value, select: &[&str]) -> Option<Value> {
    if select.is_empty() {
        return Some(row);
    }
    let mut narrow = Map::new();
    for name in select {
        narrow.insert((*name).to_owned(), row.get(*name)?.clone());
    }
    Some(Value::Object(narrow))
}
