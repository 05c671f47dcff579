//! The most telling figures as bars.

use std::fmt::Write as _;

/// A group of bars.
pub struct Panel {
    pub title: &'static str,
    pub unit: &'static str,
    /// Digits behind the point.
    pub digits: usize,
    /// One for each name.
    pub figures: Vec<f64>,
}

/// Horizontal bars; the longest of a panel fills it.
pub fn chart(names: &[&str], panels: &[Panel]) -> String {
    const BAR: usize = 18;
    const LABEL: usize = 190;
    const LONGEST: f64 = 380.0;
    const COLOURS: [&str; 4] = ["#1a7f37", "#8c959f", "#afb8c1", "#d0d7de"];

    let panel = 34 + names.len() * (BAR + 4) + 12;
    let height = panels.len() * panel + 10;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 680 {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"680\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (i, Panel { title, unit, digits, figures }) in panels.iter().enumerate() {
        let top = i * panel;
        let most = figures.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\" font-weight=\"bold\">{title} (less is better)</text>",
            top + 24
        );
        for (j, (name, figure)) in names.iter().zip(figures).enumerate() {
            let y = top + 34 + j * (BAR + 4);
            // Too short a bar would look like none.
            let width = (figure / most * LONGEST).max(1.0);
            let colour = COLOURS[j.min(COLOURS.len() - 1)];
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{name}</text>\
                 <rect x=\"{LABEL}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{figure:.digits$} {unit}</text>",
                LABEL - 8,
                y + 13,
                LABEL as f64 + width + 6.0,
                y + 13,
            );
        }
    }
    svg + "</svg>\n"
}
