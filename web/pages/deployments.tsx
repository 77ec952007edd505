import { Page } from '../parts/page.tsx';
export const DeploymentsPage = () => <Page title="deployments">{null}</Page>;
