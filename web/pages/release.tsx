import { Badge, Button, Code, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconArrowLeft, IconDownload, IconPackageOff, IconRocket, IconTrash } from '../parts/icons.ts';
import { Link, useNavigate, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { Artifact } from '#proto/http/deployments';
import { ApiFailure } from '../api/http.ts';
import { artifactLink, useDeleteArtifact, useDeleteRelease, useRelease } from '../api/releases.ts';
import { bytes } from '../format.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Copyable } from '../parts/copy.tsx';
import { Empty } from '../parts/empty.tsx';
import { Facts } from '../parts/facts.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { Page } from '../parts/page.tsx';
import { complain, Problem, tell } from '../parts/problem.tsx';
import { Ago } from '../parts/time.tsx';

export function ReleasePage() {
  const { releaseName: name } = useParams({ from: '/inside/releases/$releaseName' });
  const navigate = useNavigate();
  const { data: release, error, refetch } = useRelease(name);
  const removal = useDeleteRelease();
  const [removing, setRemoving] = useState(false);
  const back = (
    <Link to="/releases" className="back">
      <IconArrowLeft size={14} aria-hidden /> Releases
    </Link>
  );
  const remove = () =>
    removal.mutate(name, {
      onSuccess: () => {
        tell(`${name} was deleted`);
        void navigate({ to: '/releases' });
      },
      onError: (failure) => complain(`${name} could not be deleted`, failure),
      onSettled: () => setRemoving(false),
    });
  const missing = error instanceof ApiFailure && error.status === 404;
  return (
    <Page
      title={name}
      before={back}
      lead={
        release ? (
          <Group gap={8} mt={4}>
            <span>
              changed <Ago time={release.modified} />
            </span>
            {release.tags.map((tag) => (
              <Badge key={tag} color="gray">
                {tag}
              </Badge>
            ))}
          </Group>
        ) : (
          <Skeleton height={18} width={140} mt={6} />
        )
      }
      actions={
        release && (
          <>
            <GuardedButton
              needs="deployments:manage"
              leftSection={<IconRocket size={16} />}
              onClick={() => void navigate({ to: '/deployments', search: { new: '', release: name } })}
            >
              Deploy
            </GuardedButton>
            <GuardedButton
              needs="releases:manage"
              variant="default"
              leftSection={<IconTrash size={16} />}
              onClick={() => setRemoving(true)}
            >
              Delete
            </GuardedButton>
          </>
        )
      }
    >
      {missing && !release && (
        <Empty icon={<IconPackageOff size={34} stroke={1.4} />} title="There is no such release">
          It may have been deleted.
        </Empty>
      )}
      {error && !missing && !release && <Problem what="The release could not be read" error={error} retry={refetch} />}
      {release?.notes && <Text size="sm">{release.notes}</Text>}
      {!release && !error && <Skeleton height={260} radius="md" />}
      {release?.artifacts.map((artifact) => (
        <ArtifactPanel key={artifact.id} artifact={artifact} />
      ))}
      <Confirm
        opened={removing}
        title={`Delete ${name}?`}
        verb="Delete"
        busy={removal.isPending}
        close={() => setRemoving(false)}
        confirm={remove}
      >
        All of its artifacts are removed from the server. Devices keep what they have installed.
      </Confirm>
    </Page>
  );
}

const texts = (value: Record<string, string | string[]>) =>
  Object.entries(value).map(([key, each]) => (
    <div key={key}>
      <Text span c="dimmed" size="sm">
        {key}:
      </Text>{' '}
      {Array.isArray(each) ? each.join(', ') : each}
    </div>
  ));

/** One artifact: for which devices it is, what is in it, what it asks for and gives. */
function ArtifactPanel({ artifact }: { readonly artifact: Artifact }) {
  const removal = useDeleteArtifact();
  const [removing, setRemoving] = useState(false);
  const types = artifact.device_types_compatible.join(', ');
  const download = async () => {
    try {
      location.assign((await artifactLink(artifact.id)).uri);
    } catch (error) {
      complain('The artifact could not be downloaded', error);
    }
  };
  const remove = () =>
    removal.mutate(artifact.id, {
      onSuccess: () => tell(`The artifact for ${types} was deleted`),
      onError: (error) => complain('The artifact could not be deleted', error),
      onSettled: () => setRemoving(false),
    });
  return (
    <Stack className="panel" p="md" gap="sm">
      <Group justify="space-between" align="flex-start">
        <Group gap={10}>
          <Title order={2}>{types || 'Any device type'}</Title>
          <Badge color={artifact.signed ? 'green' : 'gray'}>{artifact.signed ? 'Signed' : 'Not signed'}</Badge>
        </Group>
        <Group gap="xs">
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconDownload size={14} />}
            onClick={() => void download()}
          >
            Download
          </Button>
          <GuardedButton
            needs="releases:manage"
            size="compact-sm"
            variant="default"
            leftSection={<IconTrash size={14} />}
            onClick={() => setRemoving(true)}
          >
            Delete
          </GuardedButton>
        </Group>
      </Group>
      {artifact.description && <Text size="sm">{artifact.description}</Text>}
      <Facts
        facts={[
          [
            'Size',
            <span
              key="size"
              className="num"
            >{`${bytes(artifact.size)} (${artifact.size.toLocaleString('en')} bytes)`}</span>,
          ],
          ['Uploaded', <Ago key="time" time={artifact.modified} />],
          ['Artifact id', <Copyable key="id" value={artifact.id} name="the artifact id" />],
          ['Format', `${artifact.info.format} v${artifact.info.version}`],
          ['Asks for', <div key="depends">{texts(artifact.artifact_depends)}</div>],
          ['Gives', <div key="provides">{texts(artifact.artifact_provides)}</div>],
          ...(artifact.clears_artifact_provides.length > 0
            ? [['Takes away', artifact.clears_artifact_provides.join(', ')] as const]
            : []),
        ]}
      />
      {artifact.updates.map((update, index) => (
        <Stack key={index} gap={6}>
          <Text size="sm" fw={550}>
            Update {artifact.updates.length > 1 ? `${index + 1}, ` : ''}of kind{' '}
            <Code>{update.type_info.type ?? 'empty'}</Code>
          </Text>
          {update.files.map((file) => (
            <Group key={file.name} gap="lg" className="file">
              <span className="mono">{file.name}</span>
              <span className="num">{bytes(file.size)}</span>
              <Text span size="xs" c="dimmed" className="mono" style={{ overflowWrap: 'anywhere' }}>
                sha256 {file.checksum}
              </Text>
            </Group>
          ))}
          {update.metadata && Object.keys(update.metadata).length > 0 && (
            <pre className="log">{JSON.stringify(update.metadata, null, 2)}</pre>
          )}
        </Stack>
      ))}
      <Confirm
        opened={removing}
        title="Delete this artifact?"
        verb="Delete"
        busy={removal.isPending}
        close={() => setRemoving(false)}
        confirm={remove}
      >
        The artifact of {artifact.name} for {types} is removed from the server. Devices keep what they have installed.
      </Confirm>
    </Stack>
  );
}
