// In the bundles of a device this is the module `xml2js`: all that dbus-next wants of it there is to write introspection
// data. The real one brings a parser and a builder as large as dbus-next itself.

/** @typedef {{ $?: Record<string, string>, [child: string]: unknown }} Element */

/** Writes `{ name: { $: attributes, child: [element, …] } }` as XML without a head. */
class Builder {
  /** @param {Record<string, unknown>} tree */
  buildObject(tree) {
    return Object.entries(tree)
      .map(([name, value]) => written(name, value))
      .join('');
  }
}

/** Made by dbus-next's proxy objects, of which there are none in our programs. */
class Parser {
  parseString() {
    throw new Error('introspection data is not read on a device');
  }
}

/** @param {string} name @param {unknown} value */
function written(name, value) {
  return [value]
    .flat()
    .map((/** @type {Element} */ { $: attributes = {}, ...children }) => {
      const head = Object.entries(attributes).map(([key, text]) => ` ${key}="${escaped(text)}"`);
      const inner = Object.entries(children).map(([child, each]) => written(child, each));
      return `<${name}${head.join('')}>${inner.join('')}</${name}>\n`;
    })
    .join('');
}

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

module.exports = { Builder, Parser };
