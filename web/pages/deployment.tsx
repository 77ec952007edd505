import { Page } from '../parts/page.tsx';
export const DeploymentPage = () => <Page title="deployment">{null}</Page>;
