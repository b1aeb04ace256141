// What the page of a way of showing live data does meanwhile: frames, the delay of input, and when the output was painted.
// Times are those of the wall clock, in ms, so that they can be compared with the kernel's.
(() => {
  const now = () => performance.timeOrigin + performance.now();
  const recorder = { node: null, isRecording: false };
  const isWithin = element => {
    // Bokeh's canvases stand in shadow roots.
    for (let at = element; at; at = at.parentNode ?? at.host) {
      if (at === recorder.node) {
        return true;
      }
    }
    return false;
  };
  const calls = ['stroke', 'fill', 'fillRect', 'fillText', 'putImageData', 'drawImage'];
  for (const name of calls) {
    const original = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...args) {
      if (recorder.isRecording && isWithin(this.canvas)) {
        recorder.isDirty = true;
      }
      return original.apply(this, args);
    };
  }
  const afterFrame = new MessageChannel();
  // The work of a frame is committed when the next task runs. A view that knows its events also paints without one, such as an axis
  // that moves: it has painted something new where it knew of more events when the frame began.
  afterFrame.port1.onmessage = () => {
    const isNew = recorder.isDirty && recorder.eventsOfFrame !== recorder.eventsPainted;
    if (recorder.isDirty && (isNew || recorder.eventsOfFrame === null)) {
      recorder.paints.push(now());
      recorder.eventsPainted = recorder.eventsOfFrame;
    }
    recorder.isDirty = false;
  };
  const events = () => document.querySelector('.jp-Notebook .jp-SseView')?.sseModel?.events ?? null;
  const frame = time => {
    if (!recorder.isRecording) {
      return;
    }
    recorder.frames.push(time);
    recorder.eventsOfFrame = events();
    afterFrame.port2.postMessage(0);
    requestAnimationFrame(frame);
  };
  const hear = event => recorder.inputs?.push(performance.now() - event.timeStamp);
  document.addEventListener('mousemove', hear, true);

  recorder.start = (node, byCanvas) => {
    Object.assign(recorder, { node, frames: [], inputs: [], paints: [], isDirty: false, isRecording: true, messages: 0 });
    recorder.eventsPainted = recorder.eventsOfFrame = events();
    recorder.observer?.disconnect();
    if (!byCanvas) {
      recorder.observer = new MutationObserver(() => (recorder.isDirty = true));
      recorder.observer.observe(node, { subtree: true, childList: true, characterData: true, attributes: true });
    }
    requestAnimationFrame(frame);
  };
  recorder.stop = () => {
    recorder.isRecording = false;
    recorder.observer?.disconnect();
    const { frames, inputs, paints, messages } = recorder;
    return { frames, inputs, paints, messages };
  };
  // Messages that change what is shown, as they arrive.
  recorder.listen = kernel => {
    recorder.messages = 0;
    kernel.iopubMessage.connect((_, message) => {
      if (['comm_msg', 'update_display_data', 'display_data'].includes(message.header.msg_type)) {
        recorder.messages++;
      }
    });
  };
  globalThis.benchRecorder = recorder;
})();
