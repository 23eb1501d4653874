// The camera: opened when asked for, closed when left.

const WANTED = { video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } }, audio: false };

export async function start(video) {
  if (!navigator.mediaDevices) throw new Error("The browser gives no camera to this page; call it by http://127.0.0.1.");
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia(WANTED);
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The camera cannot be used: ${error.message}`);
  }
  video.muted = true;
  video.playsInline = true;
  await video.play();
}

const REASONS = {
  NotAllowedError: "The camera was not allowed. The browser's address bar has the switch for it.",
  NotFoundError: "There is no camera.",
  NotReadableError: "The camera is used by another program.",
};

export function stop(video) {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

// Calls `work` with what `grab` makes of the video and the time of its frame, again and again, one at a time. The next
// frame is made ready while the one before is at work, so late that it is as fresh as can be: there is never a queue.
export function loop(video, grab, work) {
  let running = true;
  let worked = 0; // how long the last work took, in ms
  let lead = 0; // how long it took to make the last frame ready
  const prepare = async () => {
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, worked - 1.5 * lead)));
    const begun = performance.now();
    await frame(video);
    const at = performance.now();
    const made = running && video.videoWidth ? await grab().catch(() => null) : null;
    lead = performance.now() - begun;
    return made && { made, at };
  };
  (async () => {
    let coming = prepare();
    while (running && video.srcObject) {
      const known = await coming;
      if (!running) return;
      coming = prepare();
      const begun = performance.now();
      if (known) await work(known.made, known.at);
      worked = performance.now() - begun;
    }
  })();
  return () => { running = false; };
}

function frame(video) {
  return new Promise((resolve) => {
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(resolve);
    else requestAnimationFrame(resolve);
  });
}
