import { Anchor, Button, CloseButton, FileButton, Group, Modal, Progress, Stack, Text, TextInput } from '@mantine/core';
import { IconCheck, IconFileUpload } from './icons.ts';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState, type DragEvent } from 'react';
import { releaseKeys, uploadArtifact } from '../api/releases.ts';
import { bytes } from '../format.ts';
import { Reason } from './problem.tsx';

interface Item {
  readonly key: number;
  readonly file: File;
  readonly sent: number;
  readonly state: 'waiting' | 'sending' | 'checking' | 'done' | 'failed';
  readonly error?: unknown;
}

/** Artifacts from this computer, one after the other, each with how far it is. */
export function UploadDialog({ opened, close }: { readonly opened: boolean; readonly close: () => void }) {
  const client = useQueryClient();
  const [items, setItems] = useState<readonly Item[]>([]);
  const [description, setDescription] = useState('');
  const [over, setOver] = useState(false);
  const running = useRef<AbortController>(undefined);
  const count = useRef(0);
  const busy = items.some(({ state }) => state === 'sending' || state === 'checking');
  const change = (key: number, what: Partial<Item>) =>
    setItems((list) => list.map((item) => (item.key === key ? { ...item, ...what } : item)));

  const add = (files: readonly File[]) =>
    setItems((list) => [
      ...list.filter(({ state }) => state !== 'done'),
      ...files.map((file): Item => ({ key: count.current++, file, sent: 0, state: 'waiting' })),
    ]);

  const next = busy ? undefined : items.find(({ state }) => state === 'waiting');
  useEffect(() => {
    if (!next || running.current) return;
    const stop = new AbortController();
    running.current = stop;
    change(next.key, { state: 'sending' });
    uploadArtifact({
      file: next.file,
      description: description.trim(),
      signal: stop.signal,
      progress: (sent, total) =>
        change(next.key, { sent: sent / total, ...(sent >= total ? { state: 'checking' } : {}) }),
    })
      .then(
        () => change(next.key, { state: 'done', sent: 1 }),
        (error: unknown) => change(next.key, { state: 'failed', error }),
      )
      .finally(() => {
        running.current = undefined;
        void client.invalidateQueries({ queryKey: releaseKeys.all });
      });
  }, [next, description, client]);

  const shut = () => {
    running.current?.abort();
    setItems([]);
    setDescription('');
    close();
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    add([...event.dataTransfer.files]);
  };
  const finished = items.length > 0 && items.every(({ state }) => state === 'done');
  return (
    <Modal
      opened={opened}
      onClose={shut}
      title="Upload artifacts"
      size="lg"
      closeOnClickOutside={!busy}
      closeOnEscape={!busy}
    >
      <Stack gap="md">
        <TextInput
          label="Description"
          description="Optional; kept with each artifact of this upload."
          maxLength={4096}
          value={description}
          disabled={busy}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <FileButton onChange={(files) => add(files)} multiple accept=".mender">
          {(button) => (
            <div
              className="drop"
              data-over={over || undefined}
              onDragOver={(event) => {
                event.preventDefault();
                setOver(true);
              }}
              onDragLeave={() => setOver(false)}
              onDrop={drop}
            >
              <IconFileUpload size={30} stroke={1.4} aria-hidden />
              <Text size="sm">
                Drop <code>.mender</code> files here, or{' '}
                <Anchor component="button" type="button" size="sm" {...button}>
                  choose files
                </Anchor>
              </Text>
            </div>
          )}
        </FileButton>
        {items.map((item) => (
          <Stack key={item.key} gap={4}>
            <Group justify="space-between" wrap="nowrap" gap="xs">
              <Text size="sm" fw={550} truncate>
                {item.file.name}
              </Text>
              <Group gap={6} wrap="nowrap">
                <Text size="xs" c="dimmed" className="num" role="status" style={{ whiteSpace: 'nowrap' }}>
                  {progressWords(item)}
                </Text>
                {item.state === 'done' && <IconCheck size={16} color="var(--mantine-color-green-6)" aria-hidden />}
                {(item.state === 'waiting' || item.state === 'failed') && (
                  <CloseButton
                    size="sm"
                    aria-label={`Take ${item.file.name} off the list`}
                    onClick={() => setItems((list) => list.filter(({ key }) => key !== item.key))}
                  />
                )}
              </Group>
            </Group>
            <Progress
              value={item.sent * 100}
              size="sm"
              color={item.state === 'failed' ? 'red' : item.state === 'done' ? 'green' : 'petrol'}
              animated={item.state === 'checking'}
              aria-label={`Upload of ${item.file.name}`}
            />
            {item.state === 'failed' && <Reason error={item.error} />}
          </Stack>
        ))}
        <Group justify="flex-end">
          <Button variant={finished ? 'filled' : 'default'} onClick={shut}>
            {busy ? 'Stop' : finished ? 'Done' : 'Close'}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function progressWords({ state, sent, file }: Item): string {
  if (state === 'waiting') return `${bytes(file.size)}, waiting`;
  if (state === 'sending') return `${Math.floor(sent * 100)} % of ${bytes(file.size)}`;
  if (state === 'checking') return 'The server checks it…';
  return state === 'done' ? `${bytes(file.size)}, stored` : 'Not stored';
}
