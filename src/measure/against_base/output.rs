//! Table 7 of some modules as text, CSV, JSON and LaTeX: a row for each module and r.

use std::fmt::Write;

use serde::Serialize;

use super::{Table7, Table7Row};

/// A module's name and its table.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Named<'a> {
    /// The module's name.
    pub module: &'a str,
    /// Its norms.
    #[serde(flatten)]
    pub table: &'a Table7,
}

/// A table in columns for people, numbers with four digits. Rows whose directions rounding could have made are marked.
pub fn text(tables: &[Named<'_>]) -> String {
    let header =
        ["module", "r", "ΔW", "W", "random", "chance", "‖W‖", "‖ΔW‖", "amplification", ""].map(str::to_owned);
    let mut lines = vec![header];
    for (named, row) in rows(tables) {
        let [update, own, random, chance, amplification] = numbers(row).map(|number| shown(number, "–"));
        let [norm_w, norm_update] = norms(named).map(|number| shown(Some(number), "–"));
        let note = if is_noise(row) { "in the rounding noise" } else { "" }.to_owned();
        let (module, r) = (named.module.to_owned(), row.r.to_string());
        lines.push([module, r, update, own, random, chance, norm_w, norm_update, amplification, note]);
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 10] = std::array::from_fn(width);
    let mut text = "‖UᵀWV‖_F with the top r singular vectors of:\n".to_owned();
    for line in &lines {
        let mut shown = format!("{:<1$}", line[0], widths[0]);
        for (field, width) in line[1..9].iter().zip(&widths[1..9]) {
            let _ = write!(shown, "  {field:>width$}");
        }
        let _ = write!(shown, "  {}", line[9]);
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}

/// The rows as CSV with all digits; a number that is not known is empty.
pub fn csv(tables: &[Named<'_>]) -> String {
    let mut text =
        "module,r,update,own,random,chance,norm_w,norm_update,amplification,is_above_noise\n".to_owned();
    for (named, row) in rows(tables) {
        let all = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
        let [update, own, random, chance, amplification] = numbers(row).map(all);
        let [norm_w, norm_update] = norms(named);
        let module = match named.module.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", named.module.replace('"', "\"\"")),
            false => named.module.to_owned(),
        };
        let _ = writeln!(
            text,
            "{module},{},{update},{own},{random},{chance},{norm_w},{norm_update},{amplification},{}",
            row.r, row.is_above_noise
        );
    }
    text
}

/// The tables as JSON: a list with the name, both norms and the rows of each module; a number that is not known is null.
pub fn json(tables: &[Named<'_>]) -> serde_json::Value {
    serde_json::json!(tables)
}

/// A `tabular` for the package booktabs, in the manner of the paper, numbers with four digits.
pub fn latex(tables: &[Named<'_>]) -> String {
    let mut text = concat!(
        r"\begin{tabular}{lrrrrrrr}", "\n",
        r"\toprule", "\n",
        r" & & \multicolumn{3}{c}{$\|U^\top W V\|_F$ with $U$, $V$ of} & & & \\", "\n",
        r"\cmidrule(lr){3-5}", "\n",
        r"module & $r$ & $\Delta W$ & $W$ & random & $\|W\|_F$ & $\|\Delta W\|_F$ & $\|\Delta W\|_F/\|U^\top W V\|_F$ \\",
        "\n",
    )
    .to_owned();
    let mut last = None;
    for (named, row) in rows(tables) {
        // A module's name and norms once, over its rows.
        let is_first = last != Some(named.module);
        if is_first {
            text.push_str("\\midrule\n");
        }
        last = Some(named.module);
        let [update, own, random, _, amplification] = numbers(row).map(in_latex);
        let [norm_w, norm_update] =
            norms(named).map(|norm| if is_first { in_latex(Some(norm)) } else { String::new() });
        let module = if is_first { escaped(named.module) } else { String::new() };
        let _ = writeln!(
            text,
            r"{module} & {} & {update} & {own} & {random} & {norm_w} & {norm_update} & {amplification} \\",
            row.r
        );
    }
    text.push_str("\\bottomrule\n\\end{tabular}\n");
    text
}

fn rows<'a>(tables: &'a [Named<'_>]) -> impl Iterator<Item = (&'a Named<'a>, &'a Table7Row)> {
    tables.iter().flat_map(|named| named.table.rows.iter().map(move |row| (named, row)))
}

/// With ΔW, with W, random, chance, amplification.
fn numbers(row: &Table7Row) -> [Option<f64>; 5] {
    [row.update, row.own, row.random, row.chance, row.amplification]
}

fn norms(named: &Named<'_>) -> [f64; 2] {
    [named.table.norm_w, named.table.norm_update]
}

fn is_noise(row: &Table7Row) -> bool {
    row.update.is_some() && !row.is_above_noise
}

/// Four digits.
fn shown(number: Option<f64>, missing: &str) -> String {
    let Some(number) = number else { return missing.to_owned() };
    match number {
        0.0 => "0".to_owned(),
        1e-3..1e4 => format!("{number:.*}", (3.0 - number.log10().floor()).max(0.0) as usize),
        _ => format!("{number:.3e}"),
    }
}

fn in_latex(number: Option<f64>) -> String {
    let shown = shown(number, "--");
    match shown.split_once('e') {
        Some((digits, exponent)) => format!(r"${digits}\cdot 10^{{{exponent}}}$"),
        None => shown,
    }
}

/// A name in which nothing is a command.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        match letter {
            '_' | '&' | '%' | '$' | '#' | '{' | '}' => text.extend(['\\', letter]),
            '\\' => text.push_str(r"\textbackslash{}"),
            '~' => text.push_str(r"\textasciitilde{}"),
            '^' => text.push_str(r"\textasciicircum{}"),
            _ => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of the paper for layer 48 of GPT-3.
    fn paper() -> Table7 {
        let row = |r, update: f64, own, random, norm: f64| Table7Row {
            r,
            update: Some(update),
            own: Some(own),
            random: Some(random),
            chance: Some(random),
            amplification: Some(norm / update),
            is_above_noise: r == 4,
        };
        let none = Table7Row { update: None, amplification: None, ..row(99, 1.0, 40.0, 0.00002, 1.0) };
        Table7 {
            norm_w: 61.95,
            norm_update: 6.91,
            rows: vec![row(4, 0.32, 21.67, 0.02, 6.91), row(64, 1.9, 37.71, 0.33, 3.57), none],
        }
    }

    #[test]
    fn text_has_four_digits_and_marks_what_is_noise() {
        let table = paper();
        let found = text(&[Named { module: "layers.48.q", table: &table }]);
        let expected = "\
‖UᵀWV‖_F with the top r singular vectors of:
module        r      ΔW      W    random    chance    ‖W‖   ‖ΔW‖  amplification
layers.48.q   4  0.3200  21.67   0.02000   0.02000  61.95  6.910          21.59
layers.48.q  64   1.900  37.71    0.3300    0.3300  61.95  6.910          1.879  in the rounding noise
layers.48.q  99       –  40.00  2.000e-5  2.000e-5  61.95  6.910              –
";
        assert_eq!(found, expected);
    }

    #[test]
    fn csv_and_json_have_all_digits_and_say_what_is_missing() {
        let table = paper();
        let tables = [Named { module: "a,\"b\"", table: &table }];
        let found = csv(&tables);
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines[1], "\"a,\"\"b\"\"\",4,0.32,21.67,0.02,0.02,61.95,6.91,21.59375,true");
        assert_eq!(lines[3], "\"a,\"\"b\"\"\",99,,40,0.00002,0.00002,61.95,6.91,,false");
        let found = json(&tables);
        assert_eq!((&found[0]["module"], &found[0]["norm_w"]), (&"a,\"b\"".into(), &61.95.into()));
        assert_eq!(found[0]["rows"][0]["amplification"], 21.59375);
        assert!(found[0]["rows"][2]["update"].is_null());
    }

    #[test]
    fn latex_has_a_block_for_each_module_and_no_commands_in_names() {
        let table = paper();
        let found = latex(&[
            Named { module: "layers.48.q_proj", table: &table },
            Named { module: "v", table: &table },
        ]);
        let lines: Vec<&str> = found.lines().collect();
        assert_eq!(lines[6], r"layers.48.q\_proj & 4 & 0.3200 & 21.67 & 0.02000 & 61.95 & 6.910 & 21.59 \\");
        assert_eq!(lines[8], r" & 99 & -- & 40.00 & $2.000\cdot 10^{-5}$ &  &  & -- \\");
        assert_eq!((lines[5], lines[9], lines[10].starts_with("v & 4 &")), ("\\midrule", "\\midrule", true));
        assert_eq!(found.matches(r"\toprule").count() + found.matches(r"\bottomrule").count(), 2);
        assert!(lines[6..9].iter().all(|line| line.matches(" & ").count() == 7 && line.ends_with(r"\\")));
    }
}
