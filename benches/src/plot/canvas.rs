use std::fmt;

/// Each colour twice: for light, and for dark. The colours of series can be told apart by people who
/// see no red or no green.
const STYLE: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;font-size:13px;fill:#1f2328}\
.title{font-size:17px;font-weight:600}\
.small{font-size:12px}.soft{fill:#59636e}\
.ground{fill:#ffffff}\
.grid{stroke:#d8dee4;stroke-width:1}\
.axis{stroke:#818b98;stroke-width:1}\
.one{stroke:#1f2328;stroke-width:1.5}\
.whisker{stroke:#1f2328;stroke-width:1.5}\
.goal{fill:#ffffff;stroke:#1a7f37;stroke-width:2.5}\
.line{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}\
.f0{fill:#2f74d0}.f1{fill:#c2570c}.f2{fill:#12836b}.f3{fill:#8a4fbf}.f4{fill:#b8336a}.f5{fill:#6b6f00}\
.s0{stroke:#2f74d0}.s1{stroke:#c2570c}.s2{stroke:#12836b}.s3{stroke:#8a4fbf}.s4{stroke:#b8336a}\
.s5{stroke:#6b6f00}\
@media (prefers-color-scheme:dark){\
text{fill:#e6edf3}.soft{fill:#9198a1}.ground{fill:#0d1117}\
.grid{stroke:#262c34}.axis{stroke:#6e7681}.one{stroke:#e6edf3}.whisker{stroke:#e6edf3}\
.goal{fill:#0d1117;stroke:#3fb950}\
.f0{fill:#4c8fe6}.f1{fill:#e8833a}.f2{fill:#2fb596}.f3{fill:#b083e0}.f4{fill:#e66a9b}.f5{fill:#b0b52e}\
.s0{stroke:#4c8fe6}.s1{stroke:#e8833a}.s2{stroke:#2fb596}.s3{stroke:#b083e0}.s4{stroke:#e66a9b}\
.s5{stroke:#b0b52e}}";

/// How many colours series have before they begin again.
pub(super) const COLOURS: usize = 6;

/// Where a text stands, seen from its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being drawn, in pixels from the upper left corner.
#[derive(Debug)]
pub(super) struct Canvas {
    width: f64,
    height: f64,
    body: String,
}

impl Canvas {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    pub(super) fn text(&mut self, class: &str, anchor: Anchor, at: (f64, f64), text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(format_args!(
            r#"<text class="{class}" x="{}" y="{}" text-anchor="{anchor}">{}</text>"#,
            Pixels(at.0),
            Pixels(at.1),
            escaped(text),
        ));
    }

    /// A text that reads upwards.
    pub(super) fn upright(&mut self, class: &str, at: (f64, f64), text: &str) {
        let (x, y) = (Pixels(at.0), Pixels(at.1));
        self.push(format_args!(
            r#"<text class="{class}" x="{x}" y="{y}" text-anchor="middle" transform="rotate(-90 {x} {y})">{}</text>"#,
            escaped(text),
        ));
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.push(format_args!(
            r#"<line class="{class}" x1="{}" y1="{}" x2="{}" y2="{}"/>"#,
            Pixels(from.0),
            Pixels(from.1),
            Pixels(to.0),
            Pixels(to.1),
        ));
    }

    pub(super) fn rect(&mut self, class: &str, at: (f64, f64), size: (f64, f64)) {
        self.push(format_args!(
            r#"<rect class="{class}" x="{}" y="{}" width="{}" height="{}"/>"#,
            Pixels(at.0),
            Pixels(at.1),
            Pixels(size.0.max(0.0)),
            Pixels(size.1.max(0.0)),
        ));
    }

    pub(super) fn circle(&mut self, class: &str, at: (f64, f64), radius: f64) {
        self.push(format_args!(
            r#"<circle class="{class}" cx="{}" cy="{}" r="{}"/>"#,
            Pixels(at.0),
            Pixels(at.1),
            Pixels(radius),
        ));
    }

    /// A line through all points.
    pub(super) fn through(&mut self, class: &str, points: &[(f64, f64)]) {
        let points = listed(points);
        self.push(format_args!(
            r#"<polyline class="{class}" points="{points}"/>"#
        ));
    }

    /// The area between the points.
    pub(super) fn area(&mut self, class: &str, points: &[(f64, f64)]) {
        let points = listed(points);
        self.push(format_args!(
            r#"<polygon class="{class}" points="{points}"/>"#
        ));
    }

    /// The whole picture.
    pub(super) fn finish(self, title: &str) -> String {
        let (width, height) = (Pixels(self.width), Pixels(self.height));
        let title = escaped(title);
        let body = self.body;
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">
<title>{title}</title>
<style>{STYLE}</style>
<rect class="ground" width="{width}" height="{height}" rx="6"/>
{body}</svg>
"#
        )
    }

    fn push(&mut self, element: fmt::Arguments<'_>) {
        self.body.push_str(&element.to_string());
        self.body.push('\n');
    }
}

/// About how wide a text is: what draws it has its own idea.
pub(super) fn width_of(text: &str, font_size: f64) -> f64 {
    let widths = text.chars().map(|c| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' ' => 0.32,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.9,
        'A'..='Z' => 0.68,
        c if c.is_ascii() => 0.57,
        _ => 0.9,
    });
    widths.sum::<f64>() * font_size
}

/// The text, or as much of it as fits, with a sign that there is more.
pub(super) fn fitted(text: &str, font_size: f64, width_max: f64) -> String {
    if width_of(text, font_size) <= width_max {
        return text.to_owned();
    }
    let mut kept = text.to_owned();
    while kept.pop().is_some() {
        let shortened = format!("{}…", kept.trim_end());
        if width_of(&shortened, font_size) <= width_max {
            return shortened;
        }
    }
    String::new()
}

fn listed(points: &[(f64, f64)]) -> String {
    let points = points
        .iter()
        .map(|(x, y)| format!("{},{}", Pixels(*x), Pixels(*y)));
    points.collect::<Vec<_>>().join(" ")
}

/// The text without what XML would take for its own, or could not hold.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Tenths of a pixel, without a trailing zero and a zero below zero.
#[derive(Debug, Clone, Copy)]
struct Pixels(f64);

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.1}", self.0);
        let text = text.strip_suffix(".0").unwrap_or(&text);
        f.write_str(if text == "-0" { "0" } else { text })
    }
}
