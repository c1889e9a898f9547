//! The processor time of a purchase by arm, as an SVG of its own. Its colours follow the reader's.

use std::fmt::Write;

use crate::arms::Arm;
use crate::payloads::Payload;
use crate::results::{Estimate, Measure, Results};

const WIDTH: f64 = 720.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = 70.0;
const TOP: f64 = 40.0;
const ROW: f64 = 30.0;
const BAR: f64 = 18.0;

const STYLE: &str = "<style>
text { fill: #222 } .grid { stroke: #ddd } .bar { fill: #9db8d6 } .ours { fill: #1f5fa8 } .whisker { stroke: #222; fill: none }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .grid { stroke: #444 } .bar { fill: #4a6784 } .ours { fill: #6aa7ea } .whisker { stroke: #ddd }
}
</style>";

pub fn plot(results: &Results) -> String {
    let value = |letter: &char| Some((*letter, results.of(Measure::Cpu(Payload::Purchase), *letter)?));
    let bars: Vec<(char, Estimate)> = Payload::Purchase.arms().iter().filter_map(value).collect();
    let highest = bars.iter().map(|(_, value)| value.most).fold(1.0, f64::max);
    let step = [10.0, 25.0, 50.0, 100.0, 250.0, 500.0].into_iter().find(|step| highest / step <= 8.0);
    let step = step.unwrap_or(1000.0);
    let top = (highest / step).ceil() * step;
    let height = TOP + ROW * bars.len() as f64 + 30.0;
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * value / top;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         {STYLE}\n<text x=\"8\" y=\"20\">Envoy's processor time for one purchase, as deployed, µs: median, least and most</text>\n"
    );
    let mut mark = 0.0;
    while mark <= top {
        let (at, end) = (x(mark), height - 24.0);
        let _ = writeln!(
            svg,
            "<path class=\"grid\" d=\"M{at:.1} {TOP}V{end:.1}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{mark}</text>",
            height - 8.0
        );
        mark += step;
    }
    for (row, (letter, value)) in bars.iter().enumerate() {
        bar(&mut svg, TOP + ROW * row as f64, *letter, value, x);
    }
    svg + "</svg>\n"
}

fn bar(svg: &mut String, top: f64, letter: char, value: &Estimate, x: impl Fn(f64) -> f64) {
    let middle = top + ROW / 2.0;
    let class = if letter == 'e' { "ours" } else { "bar" };
    let (least, most) = (x(value.least), x(value.most));
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
         <rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\"/>\n\
         <path class=\"whisker\" d=\"M{least:.1} {middle:.1}H{most:.1}M{least:.1} {:.1}v8M{most:.1} {:.1}v8\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\">{:.0}</text>",
        LEFT - 8.0,
        middle + 4.0,
        Arm::of(letter).label(),
        middle - BAR / 2.0,
        x(value.median) - LEFT,
        middle - 4.0,
        middle - 4.0,
        most + 6.0,
        middle + 4.0,
        value.median,
    );
}
