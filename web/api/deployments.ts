import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import {
  deploymentsV1,
  type Deployment,
  type DeploymentDevice,
  type DeploymentStatus,
  type DeviceDeploymentStatus,
  type NewDeployment,
} from '#proto/http/deployments';
import { ApiFailure, getJson, getPage, send } from './http.ts';

const base = `${deploymentsV1}/deployments`;
const one = (id: string) => `${base}/${encodeURIComponent(id)}`;

export interface DeploymentListing {
  readonly status?: DeploymentStatus;
  readonly page: number;
  readonly perPage: number;
  readonly search?: string;
}
export interface DeploymentDevices {
  readonly status?: DeviceDeploymentStatus | 'active' | 'finished';
  readonly page: number;
  readonly perPage: number;
}
/** A device's part in one deployment, with the deployment. */
export interface DeviceDeployment {
  readonly id: string;
  readonly deployment: Deployment;
  readonly device: DeploymentDevice;
}

export const deploymentKeys = {
  all: ['deployments'] as const,
  lists: ['deployments', 'list'] as const,
  list: (listing: DeploymentListing) => ['deployments', 'list', listing] as const,
  one: (id: string) => ['deployments', 'one', id] as const,
  devices: (id: string) => ['deployments', 'devices', id] as const,
  devicesPage: (id: string, page: DeploymentDevices) => ['deployments', 'devices', id, page] as const,
  ofDevices: ['deployments', 'of-device'] as const,
  ofDevice: (device: string) => ['deployments', 'of-device', device] as const,
  log: (id: string, device: string) => ['deployments', 'log', id, device] as const,
};

export const useDeployments = (listing: DeploymentListing) =>
  useQuery({
    queryKey: deploymentKeys.list(listing),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      getPage<Deployment>(base, {
        query: { status: listing.status, page: listing.page, per_page: listing.perPage, search: listing.search },
        signal,
      }),
  });

export const useDeployment = (id: string) =>
  useQuery({ queryKey: deploymentKeys.one(id), queryFn: ({ signal }) => getJson<Deployment>(one(id), { signal }) });

export const useDeploymentDevices = (id: string, page: DeploymentDevices) =>
  useQuery({
    queryKey: deploymentKeys.devicesPage(id, page),
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      getPage<DeploymentDevice>(`${one(id)}/devices/list`, {
        query: { status: page.status, page: page.page, per_page: page.perPage },
        signal,
      }),
  });

/** The newest deployments of a device; the route gives at most 20 a page. */
export const useDeviceDeployments = (device: string, page: number) =>
  useQuery({
    queryKey: [...deploymentKeys.ofDevice(device), page],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) =>
      getPage<DeviceDeployment>(`${base}/devices/${encodeURIComponent(device)}`, {
        query: { page, per_page: 20 },
        signal,
      }),
  });

/** What the device reported of a failed update; undefined: nothing. */
export const useDeploymentLog = (id: string, device: string) =>
  useQuery({
    queryKey: deploymentKeys.log(id, device),
    queryFn: async ({ signal }) => {
      try {
        return await (await send(`${one(id)}/devices/${encodeURIComponent(device)}/log`, { signal })).text();
      } catch (error) {
        if (error instanceof ApiFailure && error.status === 404) return '';
        throw error;
      }
    },
  });

/** Resolves to the id of the new deployment. */
export function useCreateDeployment() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (deployment: NewDeployment): Promise<string> => {
      const response = await send(base, { method: 'POST', body: deployment });
      return response.headers.get('location')?.split('/').pop() ?? '';
    },
    onSettled: () => client.invalidateQueries({ queryKey: deploymentKeys.all }),
  });
}

export function useAbortDeployment() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => send(`${one(id)}/status`, { method: 'PUT', body: { status: 'aborted' } }),
    onSettled: () => client.invalidateQueries({ queryKey: deploymentKeys.all }),
  });
}
