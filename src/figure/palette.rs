//! The palettes that values are painted with: 256 colours each.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use crate::error::{Error, Fault};
use crate::text::quoted;

/// A palette of 256 colours, from the low end of the scale to the high end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Palette {
    /// Purple-black over magenta-red to light peach: the paper's look, and the default.
    #[default]
    Rocket,
    /// Dark blue over green to yellow.
    Viridis,
    /// Black over purple to light yellow.
    Magma,
    /// Black over red to pale yellow.
    Inferno,
    /// Dark blue to yellow, made to look the same to readers with colour blindness.
    Cividis,
    /// Black to white.
    Grey,
    /// Blue over white to red, for values on both sides of 0 and a range as far to either side.
    Coolwarm,
    /// The user's own.
    Own(&'static [[u8; 3]; 256]),
}

impl Palette {
    /// Every palette, the default first.
    pub const ALL: [Self; 7] =
        [Self::Rocket, Self::Viridis, Self::Magma, Self::Inferno, Self::Cividis, Self::Grey, Self::Coolwarm];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rocket => "rocket",
            Self::Viridis => "viridis",
            Self::Magma => "magma",
            Self::Inferno => "inferno",
            Self::Cividis => "cividis",
            Self::Grey => "grey",
            Self::Coolwarm => "coolwarm",
            Self::Own(_) => "own",
        }
    }

    /// A palette of colours `RRGGBB`, one on each line, from the low end to the high end: 256 of them, or fewer, between which
    /// colours are mixed. A `#` before a colour, empty lines and spaces do not count. It is kept for the life of the program.
    ///
    /// # Errors
    /// `Invalid` for fewer than two colours, more than 256, or a line that is not a colour.
    pub fn of_text(text: &str) -> Result<Self, Error> {
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let color = |(n, line): (usize, &str)| {
            let digits = line.strip_prefix('#').unwrap_or(line);
            let number = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 6);
            number.map(|number| number.to_be_bytes()).map(|[_, r, g, b]| [r, g, b]).ok_or_else(|| {
                let fault = Fault::new(quoted(line), "a colour such as 3b4cc0");
                fault.of(format!("palette, line {}", n + 1)).invalid()
            })
        };
        let colors: Vec<[u8; 3]> = lines.map(color).collect::<Result<_, _>>()?;
        if !(2..=256).contains(&colors.len()) {
            let found = format!("{} colours", colors.len());
            return Err(Fault::new(found, "2 to 256").of("palette").invalid());
        }
        let mixed = std::array::from_fn(|k| {
            let at = k as f64 / 255.0 * (colors.len() - 1) as f64;
            let (from, share) =
                ((at as usize).min(colors.len() - 2), at - at.floor().min((colors.len() - 2) as f64));
            std::array::from_fn(|channel| {
                let [low, high] = [colors[from], colors[from + 1]].map(|color| f64::from(color[channel]));
                (low + (high - low) * share).round() as u8
            })
        });
        Ok(Self::Own(Box::leak(Box::new(mixed))))
    }

    /// The colours as (red, green, blue) in sRGB; colour k stands for the k-th 256th of the scale.
    pub fn colors(self) -> &'static [[u8; 3]; 256] {
        static TABLES: [OnceLock<[[u8; 3]; 256]>; Palette::ALL.len()] = [const { OnceLock::new() }; 7];
        let place = match self {
            Self::Own(colors) => return colors,
            named => Self::ALL.iter().position(|palette| *palette == named),
        };
        let place = place.expect("every palette with a name is in the list");
        TABLES[place].get_or_init(|| match self {
            Self::Rocket => parse(include_str!("../../assets/palettes/rocket.txt")),
            Self::Viridis => parse(include_str!("../../assets/palettes/viridis.txt")),
            Self::Magma => parse(include_str!("../../assets/palettes/magma.txt")),
            Self::Inferno => parse(include_str!("../../assets/palettes/inferno.txt")),
            Self::Cividis => parse(include_str!("../../assets/palettes/cividis.txt")),
            Self::Coolwarm => parse(include_str!("../../assets/palettes/coolwarm.txt")),
            Self::Grey | Self::Own(_) => std::array::from_fn(|k| [k as u8; 3]),
        })
    }
}

/// Colours that readers with colour blindness tell apart (Okabe and Ito 2008), the yellow left out.
const CATEGORIES: [[u8; 3]; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0], [0, 0, 0]];

/// The colour of the k-th of `n` things that are not in an order. Up to seven can be told apart by everyone; of more, no two
/// have the same.
pub(super) fn category(k: usize, n: usize) -> [u8; 3] {
    if n <= CATEGORIES.len() {
        return CATEGORIES[k % CATEGORIES.len()];
    }
    // Round the wheel of hues, two neighbours light and dark.
    let hue = 6.0 * k as f64 / n as f64;
    let (low, high) = [(0.10, 0.65), (0.45, 0.95)][k % 2];
    let channel = |shift: f64| {
        let at = (hue + shift).rem_euclid(6.0);
        let share = (2.0 - (at - 3.0).abs()).clamp(0.0, 1.0);
        (255.0 * (low + (high - low) * share)).round() as u8
    };
    [channel(3.0), channel(1.0), channel(5.0)]
}

/// Reads an embedded table of 256 lines `RRGGBB`.
fn parse(table: &str) -> [[u8; 3]; 256] {
    let mut lines = table.lines();
    std::array::from_fn(|_| {
        let line = lines.next().expect("a test reads every embedded palette and finds 256 lines");
        let [_, red, green, blue] = u32::from_str_radix(line, 16)
            .expect("a test reads every embedded palette and finds only hexadecimal numbers")
            .to_be_bytes();
        [red, green, blue]
    })
}

impl fmt::Display for Palette {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Palette {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|palette| palette.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Fault::new(quoted(name), format!("one of {known}")).of("palette").invalid()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luma([red, green, blue]: [u8; 3]) -> f64 {
        0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue)
    }

    #[test]
    fn every_palette_is_read_whole_and_grows_lighter() {
        for palette in Palette::ALL.into_iter().filter(|palette| *palette != Palette::Coolwarm) {
            let colors = palette.colors();
            assert!(luma(colors[0]) < 50.0 && luma(colors[255]) > 200.0, "{palette}");
            assert!(colors.windows(16).all(|run| luma(run[0]) < luma(run[15])), "{palette}");
        }
    }

    #[test]
    fn coolwarm_is_blue_then_almost_white_then_red_and_as_light_on_either_side() {
        let colors = Palette::Coolwarm.colors();
        assert_eq!([colors[0], colors[255]], [[59, 76, 192], [180, 4, 38]]);
        assert!(colors[127..129].iter().flatten().all(|channel| (219..=222).contains(channel)));
        assert!(colors[..128].windows(16).all(|run| luma(run[0]) < luma(run[15])));
        assert!(colors[128..].windows(16).all(|run| luma(run[0]) > luma(run[15])));
        // Of nearly one lightness as far to either side.
        assert!((0..128).all(|k| (luma(colors[k]) - luma(colors[255 - k])).abs() < 40.0));
    }

    #[test]
    fn rocket_is_purple_black_then_magenta_red_then_peach() {
        let colors = Palette::Rocket.colors();
        assert_eq!(colors[0], [0x03, 0x05, 0x1a]);
        assert_eq!(colors[128], [0xcb, 0x1b, 0x4f]);
        assert_eq!(colors[255], [0xfa, 0xeb, 0xdd]);
    }

    #[test]
    fn own_palettes_are_taken_as_they_are_or_mixed() {
        let whole: String =
            Palette::Viridis.colors().iter().map(|[r, g, b]| format!("{r:02x}{g:02X}{b:02x}\n")).collect();
        assert_eq!(Palette::of_text(&whole).unwrap().colors(), Palette::Viridis.colors());
        let mixed = Palette::of_text("#000000\n\n ff0000 \nffffff").unwrap().colors();
        assert_eq!([mixed[0], mixed[255]], [[0; 3], [255; 3]]);
        assert_eq!((mixed[64], mixed[191]), ([128, 0, 0], [255, 127, 127]));
        for (text, message) in [
            ("", "palette: found 0 colours, expected 2 to 256"),
            ("000000\nred", "palette, line 2: found `red`, expected a colour such as 3b4cc0"),
            ("000000\n12345", "palette, line 2: found `12345`, expected a colour such as 3b4cc0"),
        ] {
            assert_eq!(Palette::of_text(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn names_are_read_back_and_an_unknown_one_is_answered_with_the_list() {
        for palette in Palette::ALL {
            assert_eq!(palette.to_string().parse::<Palette>().unwrap(), palette);
        }
        assert_eq!(
            "jet".parse::<Palette>().unwrap_err().to_string(),
            "palette: found `jet`, expected one of rocket, viridis, magma, inferno, cividis, grey, coolwarm"
        );
    }
}
