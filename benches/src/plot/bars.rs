use super::canvas::{Anchor, Canvas, fitted, width_of};
use super::figure;
use super::scale::Scale;

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
const TOP: f64 = 92.0;
const ROW: f64 = 34.0;
const BAR: f64 = 18.0;
/// Below the bars: the axis and what the signs mean.
const BOTTOM: f64 = 66.0;
const FONT: f64 = 13.0;
const LABEL_WIDTH_MAX: f64 = 230.0;
/// To the right of the bars: the figures.
const FIGURES: f64 = 150.0;

/// Ratios of some contestants to one of them, which is at 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// What was measured.
    pub title: String,
    /// What a ratio means: "times ours".
    pub unit: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One contestant.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// The name.
    pub label: String,
    /// The median.
    pub value: f64,
    /// The least that was measured.
    pub low: f64,
    /// The greatest that was measured.
    pub high: f64,
    /// What it should be.
    pub goal: Option<f64>,
}

impl Bars {
    /// The picture.
    pub fn svg(&self) -> String {
        let rows = self.bars.iter().map(|_| ROW).sum::<f64>();
        let bottom = TOP + rows;
        let mut canvas = Canvas::new(WIDTH, bottom + BOTTOM);
        let labels = self.bars.iter().map(|bar| width_of(&bar.label, FONT));
        let left = MARGIN + labels.fold(40.0, f64::max).min(LABEL_WIDTH_MAX) + 12.0;
        let scale = Scale::linear(self.extent(), left, WIDTH - MARGIN - FIGURES);

        let width = WIDTH - 2.0 * MARGIN;
        let title = fitted(&self.title, 17.0, width);
        canvas.text("title", Anchor::Start, (MARGIN, 34.0), &title);
        let unit = fitted(&self.unit, FONT, width);
        canvas.text("soft", Anchor::Start, (MARGIN, 56.0), &unit);
        for tick in scale.ticks() {
            let x = scale.position(tick.at);
            canvas.line("grid", (x, TOP - 6.0), (x, bottom + 4.0));
            canvas.text(
                "small soft",
                Anchor::Middle,
                (x, bottom + 20.0),
                &tick.label,
            );
        }
        let mut y = TOP;
        for bar in &self.bars {
            bar.draw(&mut canvas, &scale, left, y);
            y += ROW;
        }
        let one = scale.position(1.0);
        canvas.line("one", (one, TOP - 6.0), (one, bottom + 4.0));
        canvas.text("small", Anchor::Middle, (one, TOP - 11.0), "1");
        self.draw_signs(&mut canvas, left, bottom + 46.0);
        canvas.finish(&self.title)
    }

    /// Every value that needs a place.
    fn extent(&self) -> impl Iterator<Item = f64> {
        let values = |bar: &Bar| [bar.value, bar.low, bar.high, bar.goal.unwrap_or(bar.value)];
        self.bars.iter().flat_map(values).chain([1.0])
    }

    fn draw_signs(&self, canvas: &mut Canvas, left: f64, y: f64) {
        let mut x = left;
        draw_whisker(canvas, (x, x + 22.0), y - 4.0);
        x += 30.0;
        let text = "least to greatest";
        canvas.text("small soft", Anchor::Start, (x, y), text);
        if self.bars.iter().any(|bar| bar.goal.is_some()) {
            x += width_of(text, 12.0) + 28.0;
            draw_goal(canvas, x, y - 4.0);
            canvas.text("small soft", Anchor::Start, (x + 12.0, y), "goal");
        }
    }
}

impl Bar {
    fn draw(&self, canvas: &mut Canvas, scale: &Scale, left: f64, top: f64) {
        let middle = top + ROW / 2.0;
        let baseline = middle + 4.5;
        let label = fitted(&self.label, FONT, LABEL_WIDTH_MAX);
        canvas.text("", Anchor::End, (left - 12.0, baseline), &label);
        if self.value.is_finite() {
            let (zero, end) = (scale.position(0.0), scale.position(self.value));
            let width = (end - zero).abs();
            canvas.rect("f0", (zero.min(end), middle - BAR / 2.0), (width, BAR));
        }
        if self.low.is_finite() && self.high.is_finite() {
            let span = (scale.position(self.low), scale.position(self.high));
            draw_whisker(canvas, span, middle);
        }
        if let Some(goal) = self.goal.filter(|goal| goal.is_finite()) {
            draw_goal(canvas, scale.position(goal), middle);
        }
        let right = WIDTH - MARGIN;
        let range = format!("{} to {}", figure(self.low), figure(self.high));
        let at = (right - 96.0, baseline);
        canvas.text("", Anchor::End, at, &figure(self.value));
        canvas.text("small soft", Anchor::End, (right, baseline), &range);
    }
}

fn draw_whisker(canvas: &mut Canvas, (low, high): (f64, f64), y: f64) {
    canvas.line("whisker", (low, y), (high, y));
    for x in [low, high] {
        canvas.line("whisker", (x, y - 4.0), (x, y + 4.0));
    }
}

fn draw_goal(canvas: &mut Canvas, x: f64, y: f64) {
    let points = [(x, y - 6.0), (x + 6.0, y), (x, y + 6.0), (x - 6.0, y)];
    canvas.area("goal", &points);
}
