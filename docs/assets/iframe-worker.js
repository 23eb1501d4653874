// Browsers run no worker from the file system. There, this runs the site's search in a frame of the page instead; it has
// the part of the interface of `Worker` that the search uses. By http nothing is changed.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.body.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.document.open();
      inside.document.write("<!doctype html><head></head><body></body>");
      inside.document.close();
      // What the script posts is an event of this object, as from a worker.
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = (...addresses) =>
        addresses.reduce((before, one) => before.then(() => load(inside, one)), Promise.resolve());
      this.ready = load(inside, address);
    }

    postMessage(data) {
      this.ready.then(() => this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {
      this.frame.remove();
    }
  };

  const load = (inside, address) =>
    new Promise((resolve, reject) => {
      const script = inside.document.createElement("script");
      script.src = new URL(address, location.href);
      script.onload = resolve;
      script.onerror = () => reject(new Error(`${address} cannot be loaded.`));
      inside.document.head.append(script);
    });
}
