import {
  Alert,
  Button,
  Group as Row,
  Modal,
  SegmentedControl,
  Select,
  Stack,
  Textarea,
  TextInput,
} from '@mantine/core';
import { useState, type FormEvent } from 'react';
import type { Group } from '#proto/http/groups';
import { nested, useChangeGroup, useMakeGroup } from '../api/groups.ts';
import { draftOf, noTerm, termOf, type Draft } from '../filter-terms.ts';
import { Reason, tell } from './problem.tsx';
import { TermEditor } from './term-editor.tsx';

interface GroupDialogProps {
  /** Undefined: a new one. */
  readonly group: Group | undefined;
  readonly groups: readonly Group[];
  readonly close: () => void;
}

const name = /^[A-Za-z0-9_-]{1,256}$/;

/** Makes a group, or changes what can be changed of it: its name is how devices and roles know it. */
export function GroupDialog({ group, groups, close }: GroupDialogProps) {
  const make = useMakeGroup();
  const change = useChangeGroup();
  const [title, setTitle] = useState(group?.name ?? '');
  const [kind, setKind] = useState<Group['kind']>(group?.kind ?? 'static');
  const [parent, setParent] = useState<string | null>(group?.parent ?? null);
  const [description, setDescription] = useState(group?.description ?? '');
  const [drafts, setDrafts] = useState<Draft[]>(group?.terms?.map(draftOf) ?? [noTerm]);
  const terms = drafts.flatMap((draft) => termOf(draft) ?? []);
  const whole = kind === 'static' || (terms.length > 0 && terms.length === drafts.length);
  const error = make.error ?? change.error;
  const done = {
    onSuccess: () => {
      tell(`Group ${title} saved`);
      close();
    },
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const content = { parent, description: description.trim(), ...(kind === 'dynamic' ? { terms } : {}) };
    if (group) change.mutate({ name: group.name, ...content }, done);
    else make.mutate({ name: title, ...content }, done);
  };
  return (
    <Modal opened onClose={close} title={group ? `Group ${group.name}` : 'New group'} size={720}>
      <Stack component="form" onSubmit={submit}>
        {error && (
          <Alert color="red" variant="light" role="alert">
            <Reason what="Not saved" error={error} />
          </Alert>
        )}
        {!group && (
          <>
            <TextInput
              label="Name"
              description="Letters, digits, - and _. It stays."
              required
              data-autofocus
              value={title}
              error={title !== '' && !name.test(title) ? 'Letters, digits, - and _ only' : undefined}
              onChange={(event) => setTitle(event.currentTarget.value)}
            />
            <SegmentedControl
              aria-label="Kind"
              value={kind}
              onChange={(value) => setKind(value)}
              data={[
                { value: 'static', label: 'A list of devices' },
                { value: 'dynamic', label: 'Whatever a filter finds' },
              ]}
            />
          </>
        )}
        {kind === 'dynamic' && <TermEditor terms={drafts} change={setDrafts} />}
        <Select
          label="Shown in"
          description="For the eye only: neither devices nor rights go along."
          placeholder="At the top"
          clearable
          searchable
          data={nested(groups)
            .filter((each) => each.name !== group?.name)
            .map((each) => each.name)}
          value={parent}
          onChange={setParent}
        />
        <Textarea
          label="Description"
          autosize
          maxLength={1024}
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <Row justify="flex-end" gap="xs">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" disabled={!whole || !name.test(title)} loading={make.isPending || change.isPending}>
            Save
          </Button>
        </Row>
      </Stack>
    </Modal>
  );
}
