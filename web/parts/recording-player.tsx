import '@xterm/xterm/css/xterm.css';
import { ActionIcon, Group, Modal, SegmentedControl, Skeleton, Slider, Text } from '@mantine/core';
import { Terminal } from '@xterm/xterm';
import { useEffect, useRef, useState } from 'react';
import { castBytes, castEvent, castHeader, castSize, type CastEvent, type CastHeader } from '#proto/cast';
import type { RecordingInfo } from '#proto/http/sessions';
import { readRecording } from '../api/open-sessions.ts';
import { IconPlayerPause, IconPlayerPlay } from './icons.ts';
import { Problem } from './problem.tsx';

interface Recording {
  readonly header: CastHeader;
  readonly events: readonly CastEvent[];
  readonly length: number;
}

/** Pauses of a person are shortened to this, seconds: nobody watches somebody think. */
const longestPause = 2;

/** Plays what a terminal showed: play and pause, any moment of it, and faster. */
export function RecordingPlayer({
  recording,
  close,
}: {
  readonly recording: RecordingInfo;
  readonly close: () => void;
}) {
  const [content, setContent] = useState<Recording>();
  const [fault, setFault] = useState<unknown>();
  useEffect(() => {
    const stop = new AbortController();
    readRecording(recording.id, stop.signal).then(
      (lines) => setContent(parse(lines)),
      (error: unknown) => stop.signal.aborted || setFault(error),
    );
    return () => stop.abort();
  }, [recording.id]);
  return (
    <Modal opened onClose={close} size="auto" title={`Terminal of ${recording.user_name}`}>
      {fault !== undefined && <Problem what="The recording could not be read" error={fault} />}
      {fault === undefined && !content && <Skeleton height={400} width={680} />}
      {content && <Player content={content} />}
    </Modal>
  );
}

function parse(lines: readonly string[]): Recording {
  const header = castHeader(lines[0] ?? '');
  const events: CastEvent[] = [];
  let last = 0;
  let time = 0;
  for (const line of lines.slice(1)) {
    const event = castEvent(line);
    if (!event) continue;
    time += Math.min(Math.max(event.time - last, 0), longestPause);
    last = event.time;
    events.push({ ...event, time });
  }
  return { header, events, length: time };
}

function Player({ content }: { readonly content: Recording }) {
  const { header, events, length } = content;
  const place = useRef<HTMLDivElement>(null);
  const screen = useRef<Terminal>(undefined);
  /** The next event, and the moment that is shown, seconds. */
  const at = useRef({ index: 0, time: 0 });
  const [time, setTime] = useState(0);
  const [speed, setSpeed] = useState('1');
  const [playing, setPlaying] = useState(true);

  useEffect(() => {
    const terminal = new Terminal({
      cols: header.width,
      rows: header.height,
      fontSize: 13,
      fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace',
      disableStdin: true,
      scrollback: 5000,
      theme: { background: '#11161a', foreground: '#d7dde1' },
    });
    if (place.current) terminal.open(place.current);
    screen.current = terminal;
    at.current = { index: 0, time: 0 };
    return () => terminal.dispose();
  }, [header]);

  const show = (until: number) => {
    for (let event = events[at.current.index]; event && event.time <= until; event = events[++at.current.index]) {
      const size = event.type === 'r' ? castSize(event) : undefined;
      if (size) screen.current?.resize(size.cols, size.rows);
      else if (event.type === 'o') screen.current?.write(castBytes(event.data));
    }
    at.current.time = until;
    setTime(until);
  };
  const seek = (to: number) => {
    // A terminal knows no way back: what came before is shown again, at once.
    if (to < at.current.time) {
      screen.current?.reset();
      screen.current?.resize(header.width, header.height);
      at.current.index = 0;
    }
    show(to);
  };

  useEffect(() => {
    if (!playing) return undefined;
    let before = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      const next = Math.min(at.current.time + ((now - before) / 1000) * Number(speed), length);
      before = now;
      show(next);
      if (next >= length) setPlaying(false);
    }, 33);
    return () => clearInterval(timer);
    // `show` works on refs only.
  }, [playing, speed, content]);

  const toggle = () => {
    if (!playing && at.current.time >= length) seek(0);
    setPlaying(!playing);
  };
  return (
    <div className="player">
      <div ref={place} data-recording />
      <Group gap="sm" mt="sm" wrap="nowrap">
        <ActionIcon variant="default" size="lg" aria-label={playing ? 'Pause' : 'Play'} onClick={toggle}>
          {playing ? <IconPlayerPause size={16} /> : <IconPlayerPlay size={16} />}
        </ActionIcon>
        <Slider
          style={{ flex: 1 }}
          thumbLabel="Moment"
          min={0}
          max={Math.max(length, 0.1)}
          step={0.1}
          label={clock}
          value={time}
          onChange={seek}
        />
        <Text size="sm" className="num" style={{ whiteSpace: 'nowrap' }}>
          {clock(time)} of {clock(length)}
        </Text>
        <SegmentedControl
          size="xs"
          aria-label="Speed"
          value={speed}
          onChange={setSpeed}
          data={['1', '2', '4', '8'].map((value) => ({ value, label: `${value}×` }))}
        />
      </Group>
    </div>
  );
}

const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
