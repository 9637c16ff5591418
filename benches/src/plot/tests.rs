use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::*;

fn bar(label: &str, value: f64, goal: Option<f64>) -> Bar {
    Bar {
        label: label.to_owned(),
        value,
        low: value * 0.9,
        high: value * 1.2,
        goal,
    }
}

fn bars(bars: Vec<Bar>) -> Bars {
    Bars {
        title: "Packages of 100,000 orders: <time> & \"memory\"".to_owned(),
        unit: "times ours".to_owned(),
        bars,
    }
}

fn curve(x_log: bool, y_log: bool, series: Vec<Series>) -> Curve {
    let axis = |label: &str, log| Axis {
        label: label.to_owned(),
        log,
    };
    Curve {
        title: "Cost & size".to_owned(),
        x: axis("orders", x_log),
        y: axis("µs an order", y_log),
        series,
    }
}

fn series(label: &str, points: &[(f64, f64)]) -> Series {
    Series {
        label: label.to_owned(),
        points: points.to_vec(),
    }
}

/// What a picture holds, read as XML: its texts, and every coordinate.
fn read(svg: &str) -> (Vec<String>, Vec<(String, f64)>) {
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let (mut texts, mut text, mut numbers) = (Vec::new(), String::new(), Vec::new());
    let mut depth = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                depth += 1;
                text.clear();
                numbers.extend(coordinates(&element));
            }
            Event::Empty(element) => numbers.extend(coordinates(&element)),
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => {
                text.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap());
            }
            Event::End(_) => {
                depth -= 1;
                texts.push(std::mem::take(&mut text));
            }
            Event::Eof => break,
            other => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!(depth, 0);
    (texts, numbers)
}

fn coordinates(element: &BytesStart<'_>) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for attribute in element.attributes() {
        let attribute = attribute.unwrap();
        let name = attribute.key.as_ref().to_owned();
        let value = attribute.value.into_owned();
        match name.as_str() {
            "x" | "x1" | "x2" | "cx" | "y" | "y1" | "y2" | "cy" => {
                let axis = if name.contains('x') { "x" } else { "y" };
                found.push((axis.to_owned(), value.parse().unwrap()));
            }
            "points" => {
                for point in value.split(' ') {
                    let (x, y) = point.split_once(',').unwrap();
                    found.push(("x".to_owned(), x.parse().unwrap()));
                    found.push(("y".to_owned(), y.parse().unwrap()));
                }
            }
            _ => {}
        }
    }
    found
}

/// A picture is XML, holds its texts, and draws nothing outside of itself.
fn check(svg: &str, expected: &[&str]) {
    let (texts, numbers) = read(svg);
    for text in expected {
        assert!(
            texts.iter().any(|found| found == text),
            "{text} of {texts:?}"
        );
    }
    let size = |name: &str| -> f64 {
        let (_, rest) = svg.split_once(&format!(" {name}=\"")).unwrap();
        rest.split_once('"').unwrap().0.parse().unwrap()
    };
    let (width, height) = (size("width"), size("height"));
    for (axis, number) in numbers {
        let end = if axis == "x" { width } else { height };
        assert!((0.0..=end).contains(&number), "{axis} {number} of {end}");
    }
}

#[test]
fn bars_show_every_contestant_with_its_figures() {
    let plot = bars(vec![
        bar("ours", 1.0, None),
        bar(".NET 8 <first> & best", 5.25, Some(5.0)),
        bar("Python", 123.4, None),
    ]);
    let expected = [
        "Packages of 100,000 orders: <time> & \"memory\"",
        "times ours",
        "ours",
        ".NET 8 <first> & best",
        "5.25",
        "4.73 to 6.30",
        "123",
        "goal",
    ];
    check(&plot.svg(), &expected);
}

#[test]
fn a_goal_is_explained_only_where_there_is_one() {
    let (texts, _) = read(&bars(vec![bar("ours", 1.0, None)]).svg());
    assert!(!texts.iter().any(|text| text == "goal"));
}

#[test]
fn a_label_that_is_too_long_is_shortened() {
    let long = "a contestant ".repeat(20);
    let (texts, _) = read(&bars(vec![bar(&long, 2.0, None)]).svg());
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("a contestant") && text.ends_with('…'))
    );
}

#[test]
fn bars_without_figures_are_a_picture_still() {
    check(&bars(Vec::new()).svg(), &["times ours"]);
    check(
        &bars(vec![bar("broken", f64::NAN, Some(f64::INFINITY))]).svg(),
        &["broken", "–"],
    );
    check(&bars(vec![bar("below", -3.0, None)]).svg(), &["-3.00"]);
}

#[test]
fn a_curve_shows_every_series() {
    let sizes = [(1e3, 9.0), (1e4, 8.5), (1e5, 8.4), (1e6, 8.4)];
    let plot = curve(
        true,
        false,
        vec![
            series("ours & theirs", &sizes),
            series("<peer>", &[(1e3, 40.0)]),
        ],
    );
    let expected = [
        "Cost & size",
        "orders",
        "µs an order",
        "ours & theirs",
        "<peer>",
        "1k",
        "10k",
        "1M",
        "0",
        "40",
    ];
    check(&plot.svg(), &expected);
}

#[test]
fn a_short_logarithmic_axis_has_marks_between_the_powers_of_ten() {
    let plot = curve(true, true, vec![series("a", &[(2.0, 0.01), (50.0, 0.02)])]);
    check(&plot.svg(), &["5", "10", "20", "50", "0.01", "0.02"]);
}

#[test]
fn points_that_no_axis_has_a_place_for_are_left_out() {
    let points = [(0.0, 1.0), (10.0, f64::NAN), (-1.0, 2.0), (10.0, 3.0)];
    let svg = curve(true, false, vec![series("a", &points)]).svg();
    check(&svg, &["a"]);
    // One beside the name, one for the only point.
    assert_eq!(svg.matches("<circle").count(), 2);
}

#[test]
fn a_curve_without_points_is_a_picture_still() {
    for log in [false, true] {
        check(&curve(log, log, Vec::new()).svg(), &["orders"]);
        check(
            &curve(log, log, vec![series("empty", &[])]).svg(),
            &["empty"],
        );
        let flat = series("flat", &[(5.0, 5.0), (5.0, 5.0)]);
        check(&curve(log, log, vec![flat]).svg(), &["flat"]);
    }
}

#[test]
fn many_series_and_points_stay_inside() {
    let many = (1..=12_u32).map(|number| {
        let points = (1..=200).map(|x| (f64::from(x), f64::from(x * number) * 1e7));
        series(
            &format!("contestant number {number}"),
            &points.collect::<Vec<_>>(),
        )
    });
    let svg = curve(false, false, many.collect()).svg();
    check(&svg, &["contestant number 12", "10G"]);
}

#[test]
fn the_same_numbers_make_the_same_bytes() {
    let plot = || bars(vec![bar("ours", 1.0, Some(1.1))]).svg();
    assert_eq!(plot(), plot());
    let plot = || curve(true, false, vec![series("a", &[(1.0, 2.0), (3.0, 4.0)])]).svg();
    assert_eq!(plot(), plot());
}
