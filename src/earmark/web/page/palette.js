// The colours of the heat map and of other drawings.

const STEPS = 64;
/* Lightness falls (in the dark: rises) in equal steps of OKLab, so that equal differences of probability look equally
   large, to every kind of colour vision; hue only goes along with it. */
const LIGHT = { lightness: [0.962, 0.27], chroma: [0.008, 0.095, 0.09], hue: [190, 222, 268] };
const DARK = { lightness: [0.262, 0.95], chroma: [0.018, 0.095, 0.075], hue: [258, 222, 180] };

/** Return whether the page is dark now, by the switch or by the system. */
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Return the colours of the probabilities from 0 to 1, as [red, green, blue] of 0 to 255. */
export function heatColours() {
  const ramp = isDark() ? DARK : LIGHT;
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const at = step / STEPS;
    const lightness = ramp.lightness[0] + (ramp.lightness[1] - ramp.lightness[0]) * at;
    return rgb(lightness, bent(ramp.chroma, at), bent(ramp.hue, at));
  });
}

/** Return the index of a probability's colour in `heatColours`. */
export function heatOf(colours, probability) {
  return colours[Math.round(Math.min(1, Math.max(0, probability)) * STEPS)];
}

/** Return the colours as a CSS gradient from left to right, for the legend. */
export function heatGradient() {
  const stops = heatColours().filter((_, step) => step % 8 === 0);
  return `linear-gradient(to right, ${stops.map((colour) => `rgb(${colour.join(" ")})`).join(", ")})`;
}

/** Return a colour of theme.css by its name, such as "accent". */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/**
 * Interpolate three values that lie at 0, one half and 1.
 *
 * @param {number[]} values
 * @param {number} at
 */
function bent([start, middle, end], at) {
  return at < 0.5 ? start + (middle - start) * at * 2 : middle + (end - middle) * (at - 0.5) * 2;
}

/** Convert OKLCH to sRGB (Ottosson's OKLab), clipped to the range of a screen. */
function rgb(lightness, chroma, hue) {
  const a = chroma * Math.cos((hue * Math.PI) / 180);
  const b = chroma * Math.sin((hue * Math.PI) / 180);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((value) => {
    const clipped = Math.min(1, Math.max(0, value));
    const encoded = clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055;
    return Math.round(encoded * 255);
  });
}
