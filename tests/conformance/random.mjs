// Chance that comes out the same each time.

export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /// A whole number from 0 to below `bound`.
  below(bound) {
    // mulberry32
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let bits = this.state;
    bits = Math.imul(bits ^ (bits >>> 15), bits | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) % bound;
  }

  one(items) {
    return items[this.below(items.length)];
  }

  chance(of) {
    return this.below(of) === 0;
  }
}
