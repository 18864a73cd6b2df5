//! Bars on a logarithmic scale, as SVG.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use crate::rounds::Spread;

/// Pixels.
const WIDTH: f64 = 760.0;
const NAMES: f64 = 190.0;
const VALUES: f64 = 90.0;
const ROW: f64 = 28.0;
const TOP: f64 = 44.0;

/// Draws a bar for each, the first in colour, into docs/img.
pub(crate) fn bars(name: &str, title: &str, bars: &[(&str, Spread)]) -> anyhow::Result<()> {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/img");
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(format!("{name}.svg")), svg(title, bars))?)
}

fn svg(title: &str, bars: &[(&str, Spread)]) -> String {
    let least = bars.iter().map(|(_, spread)| spread.least).fold(f64::INFINITY, f64::min);
    let most = bars.iter().map(|(_, spread)| spread.most).fold(1.0, f64::max);
    // From a power of ten well below the least: no bar is without length.
    let from = 10_f64.powf((least.max(1e-3) / 2.0).log10().floor());
    let scale = (WIDTH - NAMES - VALUES) / (most / from).log10().max(0.1);
    let x = |value: f64| NAMES + (value / from).log10().max(0.0) * scale;
    let height = TOP + ROW * bars.len() as f64 + 28.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{title}</text>\n"
    );
    let mut draw = |line: String| svg.push_str(&(line + "\n"));
    let mut power = from;
    while power <= most {
        let at = x(power);
        draw(format!(
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" fill=\"#777\" font-size=\"11\" text-anchor=\"middle\">{power}</text>",
            height - 24.0,
            height - 9.0
        ));
        power *= 10.0;
    }
    for (nth, (name, spread)) in bars.iter().enumerate() {
        let (top, colour) = (TOP + ROW * nth as f64 + 4.0, if nth == 0 { "#0b6e4f" } else { "#9aa5b1" });
        let (end, middle, text) = (x(spread.median), top + ROW / 2.0 - 4.0, top + ROW / 2.0 + 1.0);
        let mut line = String::new();
        write!(
            line,
            "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{name}</text>\
             <rect x=\"{NAMES}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\
             <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"black\"/>\
             <text x=\"{:.1}\" y=\"{text:.1}\">{:.0}</text>",
            NAMES - 8.0,
            end - NAMES,
            ROW - 8.0,
            x(spread.least),
            x(spread.most),
            x(spread.most) + 6.0,
            spread.median
        )
        .expect("writing to a string does not fail");
        draw(line);
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use super::svg;
    use crate::rounds::Spread;

    #[test]
    fn a_bar_ten_times_as_long_is_a_power_further() {
        let drawn = svg("t", &[("a", Spread::of([100.0])), ("b", Spread::of([10.0]))]);
        assert!(drawn.contains("fill=\"#0b6e4f\"") && drawn.contains("width=\"480.0\" height=\"20.0\""), "{drawn}");
        assert!(drawn.contains("width=\"240.0\" height=\"20.0\""), "{drawn}");
    }
}
