use super::canvas::{Anchor, COLOURS, Canvas, fitted, width_of};
use super::scale::Scale;

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 20.0;
const LEFT: f64 = 82.0;
const RIGHT: f64 = WIDTH - 28.0;
/// Where the names of the series begin.
const NAMES: f64 = 60.0;
const NAMES_ROW: f64 = 20.0;
const PLOT_HEIGHT: f64 = 280.0;
/// Below the plot: the numbers and the name of the axis.
const BOTTOM: f64 = 58.0;
const FONT: f64 = 13.0;

/// Lines through what was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What was measured.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// The lines, at best six: after that, colours come again.
    pub series: Vec<Series>,
}

/// What an axis shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// The quantity with its unit.
    pub label: String,
    /// Whether equal distances are equal ratios. Otherwise the axis begins at zero.
    pub log: bool,
}

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The name.
    pub label: String,
    /// Where it goes through. A point that an axis has no place for is left out: one that is no
    /// number, or zero and below on a logarithmic axis.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// The picture.
    pub fn svg(&self) -> String {
        let names = self.places_of_names();
        let top = names.last().map_or(NAMES, |(_, y)| *y) + 22.0;
        let bottom = top + PLOT_HEIGHT;
        let mut canvas = Canvas::new(WIDTH, bottom + BOTTOM);
        let title = fitted(&self.title, 17.0, WIDTH - 2.0 * MARGIN);
        canvas.text("title", Anchor::Start, (MARGIN, 34.0), &title);

        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = self.x.scale(points().map(|point| point.0), LEFT, RIGHT);
        let y = self.y.scale(points().map(|point| point.1), bottom, top);
        self.draw_axes(&mut canvas, &x, &y, (top, bottom));
        for (index, (series, name)) in self.series.iter().zip(names).enumerate() {
            let pen = Pen::new(index);
            series.draw(&mut canvas, &pen, &x, &y);
            pen.sample(&mut canvas, name);
            let label = fitted(&series.label, FONT, WIDTH - name.0 - MARGIN - 34.0);
            canvas.text("", Anchor::Start, (name.0 + 34.0, name.1 + 4.5), &label);
        }
        canvas.finish(&self.title)
    }

    /// One after the other, in as many rows as that takes.
    fn places_of_names(&self) -> Vec<(f64, f64)> {
        let (mut x, mut y) = (MARGIN, NAMES);
        let place = |series: &Series| {
            let width = 34.0 + width_of(&series.label, FONT) + 20.0;
            if x > MARGIN && x + width > WIDTH - MARGIN {
                (x, y) = (MARGIN, y + NAMES_ROW);
            }
            let place = (x, y);
            x += width;
            place
        };
        self.series.iter().map(place).collect()
    }

    fn draw_axes(&self, canvas: &mut Canvas, x: &Scale, y: &Scale, (top, bottom): (f64, f64)) {
        for tick in y.ticks() {
            let at = y.position(tick.at);
            canvas.line("grid", (LEFT, at), (RIGHT, at));
            let place = (LEFT - 8.0, at + 4.0);
            canvas.text("small soft", Anchor::End, place, &tick.label);
        }
        for tick in x.ticks() {
            let at = x.position(tick.at);
            canvas.line("grid", (at, top), (at, bottom + 4.0));
            let place = (at, bottom + 19.0);
            canvas.text("small soft", Anchor::Middle, place, &tick.label);
        }
        canvas.line("axis", (LEFT, bottom), (RIGHT, bottom));
        let label = fitted(&self.x.label, FONT, RIGHT - LEFT);
        let place = (f64::midpoint(LEFT, RIGHT), bottom + 43.0);
        canvas.text("", Anchor::Middle, place, &label);
        let label = fitted(&self.y.label, FONT, bottom - top);
        canvas.upright("", (MARGIN + 6.0, f64::midpoint(top, bottom)), &label);
    }
}

impl Axis {
    fn scale(&self, values: impl Iterator<Item = f64>, from: f64, to: f64) -> Scale {
        if self.log {
            Scale::log(values, from, to)
        } else {
            Scale::linear(values, from, to)
        }
    }
}

impl Series {
    fn draw(&self, canvas: &mut Canvas, pen: &Pen, x: &Scale, y: &Scale) {
        let shown = self
            .points
            .iter()
            .filter(|point| x.shows(point.0) && y.shows(point.1));
        let places: Vec<(f64, f64)> = shown
            .map(|point| (x.position(point.0), y.position(point.1)))
            .collect();
        if places.len() > 1 {
            canvas.through(&pen.line, &places);
        }
        // More marks than that hide the line that they are on.
        if places.len() <= 40 {
            for place in places {
                pen.mark(canvas, place);
            }
        }
    }
}

/// Colour and mark of a series: both, for those who see no colours.
#[derive(Debug)]
struct Pen {
    index: usize,
    line: String,
    fill: String,
}

impl Pen {
    fn new(index: usize) -> Self {
        let colour = index % COLOURS;
        Self {
            index,
            line: format!("line s{colour}"),
            fill: format!("f{colour}"),
        }
    }

    fn mark(&self, canvas: &mut Canvas, (x, y): (f64, f64)) {
        match self.index % 4 {
            0 => canvas.circle(&self.fill, (x, y), 4.5),
            1 => canvas.rect(&self.fill, (x - 4.0, y - 4.0), (8.0, 8.0)),
            2 => canvas.area(
                &self.fill,
                &[(x, y - 5.5), (x + 5.5, y + 4.0), (x - 5.5, y + 4.0)],
            ),
            _ => canvas.area(
                &self.fill,
                &[(x, y - 6.0), (x + 6.0, y), (x, y + 6.0), (x - 6.0, y)],
            ),
        }
    }

    /// What the series looks like, beside its name.
    fn sample(&self, canvas: &mut Canvas, (x, y): (f64, f64)) {
        canvas.through(&self.line, &[(x, y), (x + 26.0, y)]);
        self.mark(canvas, (x + 13.0, y));
    }
}
