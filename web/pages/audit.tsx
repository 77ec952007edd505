import { Page } from '../parts/page.tsx';
export const AuditPage = () => <Page title="audit">{null}</Page>;
