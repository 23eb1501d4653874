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

// Calls `work` again and again, one at a time: what is shown next is whatever the camera sees by then.
export function loop(video, work) {
  let running = true;
  (async () => {
    while (running && video.srcObject) {
      await new Promise((resolve) => (video.requestVideoFrameCallback ?? requestAnimationFrame).call(video.requestVideoFrameCallback ? video : window, resolve));
      if (running && video.videoWidth) await work();
    }
  })();
  return () => { running = false; };
}
