import { Page } from '../parts/page.tsx';
export const DevicePage = () => <Page title="device">{null}</Page>;
