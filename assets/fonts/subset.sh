#!/bin/sh
# Cuts the figure fonts out of the full DejaVu fonts: `sh subset.sh FOLDER`, FOLDER holding DejaVuSans.ttf and
# DejaVuSans-Oblique.ttf of version 2.35. Needs fonttools.
set -eu
cd "$(dirname "$0")"
cut() {
    pyftsubset "$1/$2.ttf" --output-file="$2.ttf" --unicodes="$3" --no-hinting --legacy-kern \
        --drop-tables+=GPOS,GSUB,GDEF,MATH,gasp,FFTM --layout-features= --notdef-outline --name-IDs=0,1,2,3,4,5,6
}
# Upright: Latin, Greek, punctuation, sub- and superscripts, some operators: all that a title or a module path needs.
cut "$1" DejaVuSans "U+20-7E,U+A0-17F,U+370-3FF,U+2010-2027,U+2030-205E,U+2070-209C,U+2190-2193,U+2202,U+2207,U+220F,U+2211,U+2212,U+221A,U+221E,U+2248,U+2260,U+2264,U+2265"
# Oblique: only the letters of mathematics are set in it.
cut "$1" DejaVuSans-Oblique "U+20-7E,U+A0,U+391-3A9,U+3B1-3C9,U+3D5,U+2032,U+2212"
