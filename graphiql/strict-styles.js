// Lets Monaco and its companions style the page under `default-src 'self'`.
//
// They write <style> elements and style attributes in HTML, both of which that policy forbids (it cannot tell them
// from injected ones). The same styles set through the CSSOM are allowed, so both are turned into that.

class AdoptedStyle extends HTMLElement {
  sheet = new CSSStyleSheet();

  set textContent(css) {
    this.sheet.replaceSync(css);
  }

  set innerText(css) {
    this.sheet.replaceSync(css);
  }

  appendChild(text) {
    this.sheet.replaceSync(text.data);
    return text;
  }

  connectedCallback() {
    this.root = this.getRootNode();
    this.root.adoptedStyleSheets.push(this.sheet);
  }

  disconnectedCallback() {
    this.root.adoptedStyleSheets = this.root.adoptedStyleSheets.filter((sheet) => sheet !== this.sheet);
  }
}
customElements.define('adopted-style', AdoptedStyle);

const { createElement } = Document.prototype;
Document.prototype.createElement = function (name, options) {
  return createElement.call(this, name === 'style' ? 'adopted-style' : name, options);
};

// `<` and `>` in text and in values are escaped by those who write HTML here, so what stands between them is a tag.
const laidAside = (html) =>
  String(html).replace(/<[a-z][^<>]*>/gi, (tag) => tag.replace(/ style="/g, ' data-laid-aside="'));

const takeUp = (parent) => {
  for (const element of parent?.querySelectorAll('[data-laid-aside]') ?? []) {
    element.style.cssText = element.dataset.laidAside;
    delete element.dataset.laidAside;
  }
};

const innerHTML = Object.getOwnPropertyDescriptor(Element.prototype, 'innerHTML');
Object.defineProperty(Element.prototype, 'innerHTML', {
  ...innerHTML,
  set(html) {
    innerHTML.set.call(this, laidAside(html));
    takeUp(this);
  },
});

const { insertAdjacentHTML } = Element.prototype;
Element.prototype.insertAdjacentHTML = function (position, html) {
  insertAdjacentHTML.call(this, position, laidAside(html));
  takeUp(this.parentNode ?? this);
};
